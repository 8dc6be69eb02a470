//! External Secrets Operator's own functions: PKCS#12, PEM, certificate chains, JWK and RSA.
//!
//! Deliberately not here: `toYaml` and `fromYaml`, and sprig's functions (see `sprig`).

use crate::function::{Call, Failure, Function};
use crate::value::Type;

mod chain;
mod der;
mod jwk;
mod keys;
mod pem;
mod pkcs12;
mod rsa;
mod subject;
mod uri;
mod x509;

/// All tables.
pub(crate) const TABLES: &[&[Function]] = &[chain::TABLE, jwk::TABLE, pem::TABLE, pkcs12::TABLE, rsa::TABLE];

const STR: Type = Type::Str;

/// PEM types.
const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// What Go says where the reference reads a PEM block that isn't there.
const NIL_PANIC: &str = "runtime error: invalid memory address or nil pointer dereference";

/// Counts the steps of reading a private key that is written in so many bytes. An operation on an elliptic curve takes
/// about as long as a thousand nodes; the checks of an RSA key grow with the square of its length, and too long ones are
/// refused before them.
fn count_key(call: &mut Call<'_>, length: usize) -> Result<(), Failure> {
    let length = u64::try_from(length.min(20_000)).unwrap_or_default();
    call.step(1_000 + length * length / 10_000)
}
