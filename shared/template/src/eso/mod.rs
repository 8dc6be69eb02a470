//! External Secrets Operator's own functions: PKCS#12, PEM, certificate chains, JWK and RSA.
//!
//! Deliberately not here: sprig's functions (see `sprig`), and the formats of keys and certificates (see `pki`).

use crate::function::Function;
use crate::value::Type;

mod chain;
mod jwk;
mod pem;
pub(crate) mod pkcs12;
mod rsa;

/// All tables.
pub(crate) const TABLES: &[&[Function]] = &[chain::TABLE, jwk::TABLE, pem::TABLE, pkcs12::TABLE, rsa::TABLE];

const STR: Type = Type::Str;
