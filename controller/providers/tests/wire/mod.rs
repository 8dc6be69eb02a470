//! What only one backend does on the wire, against stubs that can misbehave.

mod akeyless;
mod aws;
mod connection;
mod find;
mod ibm;
mod kubernetes;
mod leaks;
mod vault;
