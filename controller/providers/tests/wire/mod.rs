//! What only one backend does on the wire, against stubs that can misbehave.

mod akeyless;
mod aws;
mod azure;
mod connection;
mod crd;
mod find;
mod gcp;
mod ibm;
mod kubernetes;
mod leaks;
mod ntlm;
mod onepassword;
mod push;
mod vault;
mod webhook;
