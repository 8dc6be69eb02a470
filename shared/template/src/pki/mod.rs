//! Keys and certificates: the formats that sprig's functions and those of External Secrets Operator read and write.
//!
//! Deliberately not here: the functions (see `sprig` and `eso`), and PKCS#12, which only the latter have.

pub(crate) mod der;
pub(crate) mod keys;
pub(crate) mod pem;
pub(crate) mod rsa;
mod subject;
pub(crate) mod x509;

pub(crate) use subject::common_name;
