//! What only one backend does on the wire, against stubs that can misbehave.

mod aws;
mod connection;
mod find;
mod kubernetes;
mod leaks;
mod onepassword;
mod vault;
