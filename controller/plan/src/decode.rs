//! SIGNATURES that the controller relies on (bodies still to be written by this file's owner; keep the signatures).
use api::{DecodingStrategy, NullBytePolicy};
use secret::{SecretBytes, SecretMap};
/// x
pub fn map(_strategy: Option<DecodingStrategy>, map: SecretMap) -> Result<SecretMap, String> { Ok(map) }
/// x
pub fn value(_strategy: Option<DecodingStrategy>, value: SecretBytes) -> Result<SecretBytes, String> { Ok(value) }
/// x
pub fn refuse_null_bytes(_policy: Option<NullBytePolicy>, _map: &SecretMap) -> Result<(), String> { Ok(()) }
/// x
pub fn refuse_null_bytes_in(_policy: Option<NullBytePolicy>, _key: &str, _value: &SecretBytes) -> Result<(), String> { Ok(()) }
