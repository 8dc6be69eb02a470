//! What only one backend does on the wire, against stubs that can misbehave.

mod akeyless;
mod akeyless_cloud;
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
mod openbao;
mod push;
mod vault;
mod vault_gcp;
mod webhook;
