//! Each generator by rows: shape, alphabet, counts, errors. Wished codes and keys were made with Go.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::executor::block_on;
use generators::{Given, Kind, Random, Secrets, Spec, Wanted, open};
use jiff::Timestamp;
use provider::{Error, ErrorKind, Retry};
use secret::{SecretBytes, SecretMap};
use serde_json::{Value, json};

/// The Secret `seed`, and no other.
struct Seed(&'static [u8]);

#[async_trait]
impl Secrets for Seed {
    async fn secret(&self, name: &str) -> Result<SecretMap, Error> {
        if name == "seed" {
            return Ok(SecretMap::from([("key".to_owned(), SecretBytes::new(self.0.to_vec()))]));
        }
        Err(Error::new(ErrorKind::Invalid, "Test", format!("secrets {name:?} not found")))
    }
}

/// Repeatable, and different with each seed (SplitMix64).
fn seeded(seed: u64) -> impl Fn(&mut [u8]) + Send + Sync {
    let state = AtomicU64::new(seed);
    move |buffer| {
        for chunk in buffer.chunks_mut(8) {
            let mut z = state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

fn run(
    kind: Kind,
    spec: Value,
    at: i64,
    seed: &'static [u8],
    fill: &(dyn Fn(&mut [u8]) + Send + Sync),
) -> Result<SecretMap, Error> {
    let generator = open(Spec::read(Wanted::Namespaced(kind), spec).unwrap());
    let given = Given { now: Timestamp::from_second(at).unwrap(), random: Random::new(fill), secrets: &Seed(seed) };
    block_on(generator.generate(&given))
}

fn text(map: &SecretMap, key: &str) -> String {
    map[key].expose_str().unwrap().to_owned()
}

#[test]
fn a_uuid_has_version_4_and_differs_each_time() {
    let fill = seeded(1);
    let all: BTreeSet<_> = (0..50).map(|_| text(&run(Kind::Uuid, json!({}), 0, b"", &fill).unwrap(), "uuid")).collect();
    assert_eq!(all.len(), 50);
    for uuid in all {
        let groups: Vec<_> = uuid.split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{uuid}");
        assert!(groups[2].starts_with('4') && groups[3].starts_with(['8', '9', 'a', 'b']), "{uuid}");
        assert!(uuid.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f' | '-')), "{uuid}");
    }
}

#[test]
fn a_fake_gives_its_values_and_none_without_any() {
    let fill = seeded(1);
    let map = run(Kind::Fake, json!({"data": {"a": "1", "b": "x y"}}), 0, b"", &fill).unwrap();
    assert_eq!((text(&map, "a"), text(&map, "b"), map.len()), ("1".into(), "x y".into(), 2));
    assert!(run(Kind::Fake, json!({}), 0, b"", &fill).unwrap().is_empty());
}

#[test]
fn passwords_have_the_wished_letters_digits_and_symbols() {
    // Spec, then letters, digits, symbols, and whether a character may come twice.
    let rows = [
        (json!({}), (12, 6, 6), false),
        (json!({"length": 0}), (12, 6, 6), false),
        (json!({"length": -5}), (12, 6, 6), false),
        (json!({"length": 43}), (23, 10, 10), false),
        (json!({"length": 11}), (7, 2, 2), false),
        (json!({"length": 8, "digits": 8, "symbols": 0}), (0, 8, 0), false),
        (json!({"length": 10, "digits": -2, "symbols": 0}), (12, 0, 0), false),
        (json!({"length": 200, "allowRepeat": true}), (100, 50, 50), true),
        (json!({"length": 26, "digits": 0, "symbols": 0, "noUpper": true}), (26, 0, 0), false),
        (json!({"symbolCharacters": "-_!$%&"}), (12, 6, 6), false),
        (json!({"symbolCharacters": ""}), (12, 6, 6), false),
        (json!({"symbolCharacters": "€§", "symbols": 2}), (16, 6, 2), false),
    ];
    for (spec, (letters, digits, symbols), repeats) in rows {
        for seed in 0..20 {
            let password = text(&run(Kind::Password, spec.clone(), 0, b"", &seeded(seed)).unwrap(), "password");
            let count = |wished: fn(&char) -> bool| password.chars().filter(wished).count();
            let found =
                (count(char::is_ascii_alphabetic), count(char::is_ascii_digit), count(|c| !c.is_ascii_alphanumeric()));
            assert_eq!(found, (letters, digits, symbols), "{spec} {password}");
            let different = password.chars().collect::<BTreeSet<_>>().len();
            assert!(repeats || different == letters + digits + symbols, "{spec} {password}");
            if let Some(allowed) = spec["symbolCharacters"].as_str().filter(|allowed| !allowed.is_empty()) {
                assert!(
                    password.chars().all(|c| c.is_ascii_alphanumeric() || allowed.contains(c)),
                    "{spec} {password}"
                );
            }
            assert!(spec["noUpper"] != true || password.chars().all(|c| c.is_ascii_lowercase()), "{spec} {password}");
        }
    }
}

#[test]
fn each_key_gets_a_password_of_its_own_in_the_wished_encoding() {
    let fill = seeded(3);
    let map = run(Kind::Password, json!({"secretKeys": ["a", "b"]}), 0, b"", &fill).unwrap();
    assert_eq!(map.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_ne!(text(&map, "a"), text(&map, "b"));
    let rows = [
        ("base64", 32, "+/="),
        ("base64url", 32, "-_="),
        ("base32", 40, "="),
        ("hex", 48, ""),
        ("raw", 24, "~!@#$%^&*()_+`-={}|[]\\:\"<>?,./"),
    ];
    for (encoding, length, beside) in rows {
        let value = text(&run(Kind::Password, json!({"encoding": encoding}), 0, b"", &seeded(4)).unwrap(), "password");
        assert_eq!(value.len(), length, "{encoding}");
        assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || beside.contains(c)), "{encoding} {value}");
    }
    let hex = text(&run(Kind::Password, json!({"encoding": "hex"}), 0, b"", &seeded(4)).unwrap(), "password");
    let raw = text(&run(Kind::Password, json!({}), 0, b"", &seeded(4)).unwrap(), "password");
    assert_eq!(hex, raw.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
}

#[test]
fn what_no_password_can_satisfy_is_said_in_the_reference_operators_words() {
    let exceeds = |what: &str| format!("number of {what} exceeds available {what} and repeats are not allowed");
    let rows = [
        (json!({"length": 4, "digits": 3, "symbols": 2}), "number of digits and symbols must be less than total length".to_owned()),
        (json!({"length": 60, "digits": 0, "symbols": 0}), exceeds("letters")),
        (json!({"length": 44}), exceeds("digits")),
        (json!({"symbolCharacters": "!", "symbols": 2}), exceeds("symbols")),
        // The reference would search for ever.
        (json!({"symbolCharacters": "!!!", "symbols": 2}), exceeds("symbols")),
        (json!({"symbolCharacters": "0123456789", "symbols": 6, "digits": 6}), exceeds("symbols")),
        (json!({"secretKeys": ["a", "a"]}), "secretKeys must be non-empty and unique".to_owned()),
        (json!({"secretKeys": ["a", ""]}), "secretKeys must be non-empty and unique".to_owned()),
        (
            json!({"length": 1 << 30, "allowRepeat": true}),
            "a password of spec.length, spec.digits and spec.symbols would be too long: set them so that it has at most 1048576 characters".to_owned(),
        ),
    ];
    for (spec, wished) in rows {
        let error = run(Kind::Password, spec.clone(), 0, b"", &seeded(5)).unwrap_err();
        assert_eq!((error.to_string(), error.kind()), (wished, ErrorKind::Invalid), "{spec}");
    }
}

/// Seed, time, period, length; the code and how many seconds it is left.
type Code = (&'static [u8], i64, i64, i64, &'static str, i64);

#[test]
fn one_time_passwords_are_those_that_go_makes() {
    let t: &[u8] = b"JBSWY3DPEHPK3PXP";
    let rows: [Code; 15] = [
        (t, 1_700_000_000, 30, 6, "324550", 10),
        (t, 1_700_000_000, 0, 0, "324550", 10),
        (b"jbsw y3dp ehpk 3pxp", 1_700_000_000, 30, 8, "02324550", 10),
        (t, 59, 30, 6, "996554", 1),
        (t, -1, 30, 6, "939986", 31),
        (t, -31, 30, 6, "417327", 31),
        (t, 1_700_000_000, 7, 12, "001228368750", 1),
        (t, 1_700_000_000, 30, 30, "000000000000000000001802324550", 10),
        (b"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 59, 30, 8, "94287082", 1),
        (b"JBSWY3D", 0, 30, 6, "812822", 30),
        (b"JBSWY3", 0, 30, 6, "328482", 30),
        (b"JBS", 0, 30, 6, "328482", 30),
        (b"", 0, 30, 6, "328482", 30),
        (b"JBSW\nY3DP", 0, 30, 6, "050147", 30),
        ("ıſ".as_bytes(), 0, 30, 6, "216598", 30),
    ];
    for (seed, at, period, length, code, left) in rows {
        let spec = json!({"secret": {"name": "seed", "key": "key"}, "timePeriod": period, "length": length, "algorithm": "sha512"});
        let map = run(Kind::Mfa, spec, at, seed, &seeded(1)).unwrap();
        assert_eq!((text(&map, "token"), text(&map, "timeLeft")), (code.to_owned(), left.to_string()), "{seed:?} {at}");
    }
    let spec = json!({"secret": {"name": "seed", "key": "key"}, "when": "1970-01-01T00:00:59Z"});
    assert_eq!(text(&run(Kind::Mfa, spec, 5, t, &seeded(1)).unwrap(), "token"), "996554");
}

#[test]
fn what_an_mfa_lacks_is_said_in_the_reference_operators_words() {
    let code = "failed to generate code for token key: failed to generate OTP code: illegal base32 data at input byte ";
    let seed = json!({"name": "seed", "key": "key"});
    let rows: [(Value, i64, &'static [u8], String); 8] = [
        (
            json!({"name": "no", "key": "key"}),
            6,
            b"",
            "failed to find secret for token key: secrets \"no\" not found".into(),
        ),
        (json!({"name": "seed", "key": "no"}), 6, b"", "secret key no does not exist in secret data map".into()),
        (seed.clone(), 6, b"JBSWY3DP=", format!("{code}8")),
        (seed.clone(), 6, b"JBSW1", format!("{code}4")),
        (seed.clone(), 6, b"JBSWY3DPEHPK8XXX", format!("{code}12")),
        (seed.clone(), 6, b"\xff\xffAB", format!("{code}0")),
        (seed.clone(), 6, b"AB\n\xff", format!("{code}2")),
        (seed, 2_000_000, b"AB", "spec.length is 2000000: set one of at most 1048576".into()),
    ];
    for (secret, length, seed, wished) in rows {
        let error = run(Kind::Mfa, json!({"secret": secret, "length": length}), 0, seed, &seeded(1)).unwrap_err();
        assert_eq!((error.to_string(), error.kind()), (wished, ErrorKind::Invalid));
    }
}

const ED25519: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtz
c2gtZWQyNTUxOQAAACCKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXAAA
AJABAQEBAQEBAQAAAAtzc2gtZWQyNTUxOQAAACCKiOPddAnxlf1S2y08ul1yymcJ
vx2UEhvzdIgBtA9vXAAAAEABAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB
AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29cAAAAB21lQGhvc3QBAgME
BQY=
-----END OPENSSH PRIVATE KEY-----
";

#[test]
fn ssh_keys_are_those_that_go_makes_of_the_same_bytes() {
    let ones = |buffer: &mut [u8]| buffer.fill(1);
    let ed25519 =
        run(Kind::SshKey, json!({"keyType": "ed25519", "keySize": 4096, "comment": "me@host"}), 0, b"", &ones).unwrap();
    assert_eq!(text(&ed25519, "privateKey"), ED25519);
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
    assert_eq!(text(&ed25519, "publicKey"), format!("{line} me@host\n"));
    let bare = run(Kind::SshKey, json!({"keyType": "ed25519"}), 0, b"", &ones).unwrap();
    assert_eq!(text(&bare, "publicKey"), format!("{line}\n"));
    let p256 = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBG/wO5SSQc4drdQ1GeaWDgqFtBppoFwygQOqK84VlMoWPE91OlW/AdxT9sCwx+7ni0DG/30lqW4igrmJzvccFEo=\n";
    let p384 = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBEPjryoNuQhnUJdod2UPQm0hV6ReEN5kb/hXGYsibfDUsiQ0COA7pxHZw0xRyzREE90S486iDVES8GsIMdLqE5ujQGH4MQ6XRP0Y2RXvNPbyxnDjTGPuuAvMYT7LkfLBlg==\n";
    let p521 = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAEc9nZTqvtzImTcpK+4h7/bzPCfJzczWw7/uKL+vUL2AnhM9RtZmBwrIt6P/SZERjR2RzcAG1dGVsbVQ1eR50Xo0gE+AWi/8qVBUeXNbm2w2/efLG2pV21S+bRfM8EQGtXGaTDJmOpNabSjHkzYOqrOn11uukjZbaUJflg9P7dx0fqRsg==\n";
    let rows = [(json!(null), p256), (json!(256), p256), (json!(300), p256), (json!(384), p384), (json!(521), p521)];
    for (bits, wished) in rows {
        let pair = run(Kind::SshKey, json!({"keyType": "ecdsa", "keySize": bits}), 0, b"", &ones).unwrap();
        assert_eq!(text(&pair, "publicKey"), wished, "{bits}");
    }
}

#[test]
fn an_rsa_key_has_the_wished_size() {
    for (spec, blob) in [(json!({}), 279), (json!({"keyType": "rsa", "keySize": 3072, "comment": "c"}), 407)] {
        let pair = run(Kind::SshKey, spec.clone(), 0, b"", &seeded(1)).unwrap();
        let line = text(&pair, "publicKey");
        let encoded = line.split_whitespace().nth(1).unwrap();
        assert!(line.starts_with("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB"), "{spec} {line}");
        assert_eq!(encoded.trim_end_matches('=').len() * 3 / 4, blob, "{spec}");
        assert!(text(&pair, "privateKey").starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA"));
    }
    let rows = [
        (
            512,
            "unable to generate SSH key: crypto/rsa: 512-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)",
        ),
        (
            1024,
            "unable to generate SSH key: spec.keySize 1024 is not supported by this version of the controller: set 2048, 3072, 4096 or 8192",
        ),
    ];
    for (bits, wished) in rows {
        assert_eq!(run(Kind::SshKey, json!({"keySize": bits}), 0, b"", &seeded(1)).unwrap_err().to_string(), wished);
    }
}

#[test]
fn a_kind_that_is_not_here_is_named_and_not_tried_again() {
    for kind in Kind::ALL {
        if matches!(kind, Kind::Fake | Kind::Mfa | Kind::Password | Kind::SshKey | Kind::Uuid) {
            continue;
        }
        let error = run(*kind, json!({}), 0, b"", &seeded(1)).unwrap_err();
        let wished = format!("the generator kind {} is not supported by this version of the controller", kind.as_str());
        assert_eq!(
            (error.to_string(), error.kind(), error.retry_when()),
            (wished, ErrorKind::Unsupported, Retry::Never)
        );
    }
}
