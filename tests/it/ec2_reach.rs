//! How clients reach VPCs of the API: by tags, and by listeners out of ids.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use hickory_proto::op::ResponseCode;
use vpcedns::config::Settings;

use crate::common::ec2::Api;
use crate::common::xml::Node;
use crate::common::{BOTH, vpc};
use crate::server::{ask, get, settings, start};

fn tagged(key: &str, value: &str) -> String {
    let tag = "TagSpecification.1.Tag.1";
    format!("TagSpecification.1.ResourceType=vpc {tag}.Key={key} {tag}.Value={value}")
}

#[test]
fn tags_make_listeners_and_clients() {
    let api = Api::new(&vpc(1, &format!("{BOTH}\nclients = [\"172.16.0.0/16\"]")));
    let creation = |key: &str, value: &str| format!("CreateVpc CidrBlock=10.9.0.0/16 {}", tagged(key, value));
    let first = api.call(&creation("vpcedns:listener", "127.9.0.1:5301%20127.9.0.2:53"));
    let id = first.text("vpc/vpcId").to_owned();
    let of = |api: &Api| {
        let snapshot = api.snapshot();
        let vpc = snapshot.model.vpc(id.parse().unwrap()).unwrap();
        (vpc.listeners.iter().map(ToString::to_string).collect::<Vec<_>>(), vpc.clients.clone())
    };
    assert_eq!(of(&api).0, ["127.9.0.1:5301", "127.9.0.2:53"]);
    let api = api.reopen();
    assert_eq!(of(&api).0.len(), 2, "they outlive a restart");
    let tag = |key: &str, value: &str| format!("CreateTags ResourceId.1={id} Tag.1.Key={key} Tag.1.Value={value}");
    api.call(&tag("vpcedns:clients", "192.168.7.9/24"));
    assert_eq!(of(&api).1, ["192.168.7.0/24".parse().unwrap()]);
    for (call, expected) in [
        (creation("vpcedns:listener", "10.0.0.1:53"), "inside 127.0.0.0/8 (--ec2-listen)"),
        (creation("vpcedns:listener", "127.0.0.1"), "Expected ADDRESS:PORT"),
        (creation("vpcedns:listener", "127.0.0.1:0"), "Expected ADDRESS:PORT"),
        (creation("vpcedns:listener", "127.9.0.1:5301"), "This address is not available."),
        (creation("vpcedns:clients", "192.168.0.0/16"), "This network is not available."),
        (tag("vpcedns:clients", "172.16.3.0/24"), "This network is not available."),
        (tag("vpcedns:clients", "all"), "Expected networks"),
        // a call does not make an open resolver of the server
        (creation("vpcedns:clients", "0.0.0.0/0"), "Expected a private network"),
        (tag("vpcedns:clients", "10.0.0.0/16,8.0.0.0/7"), "Expected a private network"),
        (tag("vpcedns:clients", "::/0"), "Expected a private network"),
        (tag("vpcedns:clients", "2000::/3"), "Expected a private network"),
    ] {
        let error = api.error(&call);
        assert!(error.contains(expected) && !error.contains("vpc-"), "{call}: {error}");
    }
    api.call(&format!("DeleteTags ResourceId.1={id} Tag.1.Key=vpcedns:listener"));
    assert_eq!((of(&api).0.len(), of(&api).1.len()), (0, 1));
    api.call(&tag("vpcedns:clients", "10.0.0.0/8,198.51.0.0/16,fd00::/8,2001:db8::/44"));
    assert_eq!(of(&api).1.len(), 4);
}

/// A call over HTTP.
fn call(api: SocketAddr, form: &str) -> Node {
    let mut stream = std::net::TcpStream::connect(api).unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\nContent-Length: {}", form.len());
    write!(stream, "{head}\r\n\r\n{form}").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{form}: {text}");
    Node::parse(body)
}

/// Four commands for whoever comes from LocalStack: the last is `dig`.
#[test]
#[cfg(target_os = "linux")]
fn a_vpc_has_a_listener_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        ec2_api: Some("127.0.0.1:0".parse().unwrap()),
        ec2_state: dir.path().join("state"),
        ..settings(dir.path())
    };
    let server = start(settings.clone());
    let api = server.ready().ec2_api.unwrap();
    let (status, health) = get(api, "/_localstack/health");
    assert!(status == 200 && health.contains(r#""ec2":"running""#), "{health}");
    let vpc = call(api, "Action=CreateVpc&CidrBlock=10.0.0.0/16").text("vpc/vpcId").to_owned();
    let subnet = call(api, &format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.0.1.0/24"));
    let subnet = subnet.text("subnet/subnetId");
    let endpoint = "Action=CreateVpcEndpoint&VpcEndpointType=Interface&ServiceName=com.amazonaws.us-east-1.sqs";
    for (name, value) in [("Support", "true"), ("Hostnames", "true")] {
        call(api, &format!("Action=ModifyVpcAttribute&VpcId={vpc}&EnableDns{name}.Value={value}"));
    }
    call(api, &format!("{endpoint}&VpcId={vpc}&SubnetId.1={subnet}"));
    let bits = u32::from_str_radix(&vpc[vpc.len() - 4..], 16).unwrap();
    let listener: SocketAddr = format!("127.53.{}.{}:5300", bits >> 8, bits & 255).parse().unwrap();
    let found = ask(listener, "sqs.us-east-1.amazonaws.com.").unwrap();
    assert!(found.len() == 1 && found[0].starts_with("10.0.1."), "{found:?}");
    // whoever asks elsewhere is not of the VPC
    assert_eq!(ask(server.ready().plain[0], "sqs.us-east-1.amazonaws.com."), Err(ResponseCode::Refused));
    server.stop().unwrap();
    // it is there again after a restart
    let server = start(settings);
    assert_eq!(ask(listener, "sqs.us-east-1.amazonaws.com."), Ok(found));
    server.stop().unwrap();
}
