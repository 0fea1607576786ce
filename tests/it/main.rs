//! The integration tests, as one program: tables, properties, replays, and servers on ports of their own.

mod answers;
mod architecture;
mod aws_guide;
mod cache;
mod cases;
mod catalogue;
mod circles;
mod common;
mod ec2_api;
mod ec2_http;
mod ec2_random;
mod ec2_services;
mod encrypted;
mod expect;
mod explain;
mod forwarding;
mod generated;
mod guards;
mod incremental;
mod naming_golden;
mod problems;
mod publish;
mod replay;
mod server;
mod type_names;
mod wire;
