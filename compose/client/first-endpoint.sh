#!/bin/sh
# An endpoint in a new VPC, by the AWS CLI; its private name is then asked for at the VPC's own listener, 127.0.0.2.
set -eu
vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text \
    --tag-specifications 'ResourceType=vpc,Tags=[{Key=vpcedns:listener,Value=127.0.0.2:53}]')
aws ec2 modify-vpc-attribute --vpc-id "$vpc" --enable-dns-hostnames Value=true
subnet=$(aws ec2 create-subnet --vpc-id "$vpc" --cidr-block 10.0.1.0/24 --query Subnet.SubnetId --output text)
aws ec2 create-vpc-endpoint --vpc-id "$vpc" --subnet-ids "$subnet" --vpc-endpoint-type Interface \
    --service-name com.amazonaws.us-east-1.sqs --query 'VpcEndpoint.[VpcEndpointId,State]' --output text
getent hosts sqs.us-east-1.amazonaws.com
