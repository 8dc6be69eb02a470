//! Pushing to real backends, by the providers themselves: no controller. OpenBao stands for Vault, moto for AWS.

#[cfg(test)]
mod aws;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod store;
#[cfg(test)]
mod vault;
