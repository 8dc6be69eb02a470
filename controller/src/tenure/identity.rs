//! The name under which this process holds Leases.

use rustls::crypto::aws_lc_rs::default_provider;

/// `HOSTNAME_UUID`, as client-go's: no two processes have one, and a person sees which pod it is.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn identity() -> Result<String, String> {
    let mut random = [0; 16];
    let filled = default_provider().secure_random.fill(&mut random);
    filled.map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(format!("{}_{}", hostname(), uuid(random)))
}

/// As the kernel has it, which in a container is the pod's name.
fn hostname() -> String {
    let named = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

/// Version 4 of RFC 9562.
fn uuid(random: [u8; 16]) -> String {
    let number = u128::from_be_bytes(random) & !(0xf << 76 | 0b11 << 62) | 4 << 76 | 0b10 << 62;
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_host_and_a_uuid() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let (first, second) = (identity().unwrap(), identity().unwrap());
        assert_ne!(first, second);
        assert_eq!(first.rsplit_once('_').unwrap().0, hostname());
    }
}
