//! A whole webhook over loopback against a fake API server.

#[cfg(test)]
mod certificates;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod mounted;
