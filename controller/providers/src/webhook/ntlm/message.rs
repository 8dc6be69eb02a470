//! The three messages of NTLM, and the proof of NTLMv2 in the third. Pure.
//!
//! Source: [MS-NLMP] 2.2.1 (messages), 3.3.2 (NTLMv2); its examples in 4.2.4 are tests here. Written by hand because it is small
//! and nothing light exists: `sspi` brings Kerberos, smart cards and a certificate stack with it.
//! Deliberately not here: signing and sealing, which HTTP has no use for, session keys, NTLMv1, and code pages (names are UTF-16).

use hmac::{Hmac, KeyInit, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use secret::SecretBytes;
use zeroize::Zeroizing;

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

const UNICODE: u32 = 1;
const REQUEST_TARGET: u32 = 1 << 2;
const NTLM: u32 = 1 << 9;
const ALWAYS_SIGN: u32 = 1 << 15;
const EXTENDED_SESSION_SECURITY: u32 = 1 << 19;
const TARGET_INFO: u32 = 1 << 23;
const KEYS_OF_128: u32 = 1 << 29;
const KEYS_OF_56: u32 = 1 << 31;
/// What is offered, and nothing else is taken up: a server that insists on key exchange or LM keys gets none.
const OFFERED: u32 =
    UNICODE | REQUEST_TARGET | NTLM | ALWAYS_SIGN | EXTENDED_SESSION_SECURITY | TARGET_INFO | KEYS_OF_128 | KEYS_OF_56;

const AV_END: u16 = 0;
const AV_TIMESTAMP: u16 = 7;
/// Bytes of the fixed part of the third message, without the optional version and MIC.
const AUTHENTICATE_HEAD: usize = 64;

/// Who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    /// `None`: that of the server.
    pub(super) domain: Option<String>,
}

impl User {
    /// Reads `DOMAIN\user`, `user@domain` (which the server's own domain controller resolves) or `user`.
    pub(super) fn of(text: &str) -> Self {
        match text.split_once('\\') {
            Some((domain, name)) => Self { name: name.to_owned(), domain: Some(domain.to_owned()) },
            None if text.contains('@') => Self { name: text.to_owned(), domain: Some(String::new()) },
            None => Self { name: text.to_owned(), domain: None },
        }
    }
}

/// What makes each handshake another: handed in, so that this is pure.
pub(super) struct Fresh {
    /// 100 ns steps since 1601-01-01, used if the server tells no time.
    pub(super) time: u64,
    pub(super) challenge: [u8; 8],
}

/// The first message: what the client can do. It names neither the user nor this machine.
pub(super) fn negotiate() -> Vec<u8> {
    let mut out = [SIGNATURE.as_slice(), &1u32.to_le_bytes(), &OFFERED.to_le_bytes()].concat();
    // Domain and workstation, both empty; the version is left out.
    for _ in 0..2 {
        field(&mut out, 0, 32);
    }
    out
}

/// The second message: the server's challenge.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    flags: u32,
    nonce: [u8; 8],
    target: String,
    info: Vec<u8>,
    /// Out of `info`.
    time: Option<[u8; 8]>,
}

impl Challenge {
    /// Reads it; `None` if it isn't one, or not in Unicode.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        if message.get(..8)? != SIGNATURE || number(message, 8)? != 2 {
            return None;
        }
        let flags = number(message, 20)?;
        if flags & UNICODE == 0 {
            return None;
        }
        let nonce = message.get(24..32)?.try_into().ok()?;
        let target = utf16_text(payload(message, 12)?)?;
        // Old servers end the message before this field.
        let info = if message.len() < 48 { &[] } else { payload(message, 40)? };
        Some(Self { flags, nonce, target, info: info.to_vec(), time: timestamp(info)? })
    }
}

/// The third message: the proof that the client knows the password.
pub(super) fn authenticate(
    challenge: &Challenge,
    user: &User,
    password: &SecretBytes,
    fresh: &Fresh,
) -> Option<SecretBytes> {
    let Challenge { flags, nonce, target, info, time } = challenge;
    let domain = user.domain.as_deref().unwrap_or(target);
    let key = response_key(user, domain, password)?;
    let blob = blob(&time.unwrap_or(fresh.time.to_le_bytes()), &fresh.challenge, info);
    let proof = hmac(&key, &[nonce, &blob])?;
    let nt = [proof.as_slice(), &blob].concat();
    // A server that tells its time wants no weaker proof beside the strong one.
    let lm = match time {
        Some(_) => vec![0; 24],
        None => [hmac(&key, &[nonce, &fresh.challenge])?.as_slice(), &fresh.challenge].concat(),
    };
    let parts = [lm, nt, utf16(domain), utf16(&user.name), Vec::new(), Vec::new()];
    let mut out = [SIGNATURE.as_slice(), &3u32.to_le_bytes()].concat();
    let mut offset = AUTHENTICATE_HEAD;
    for part in &parts {
        field(&mut out, part.len(), offset);
        offset += part.len();
    }
    out.extend((flags & OFFERED).to_le_bytes());
    out.extend(parts.concat());
    // Lengths have 16 bits. No server's answer and no name is that long.
    (offset < usize::from(u16::MAX)).then(|| SecretBytes::new(out))
}

/// NTOWFv2: what stands for the password.
fn response_key(user: &User, domain: &str, password: &SecretBytes) -> Option<SecretBytes> {
    let password = SecretBytes::new(utf16(password.expose_str()?));
    let hash = SecretBytes::new(Md4::digest(password.expose()).to_vec());
    let proof = Zeroizing::new(hmac(&hash, &[&utf16(&upper(&user.name)), &utf16(domain)])?);
    Some(SecretBytes::new(proof.to_vec()))
}

/// What is proved beside the server's nonce.
fn blob(time: &[u8; 8], challenge: &[u8; 8], info: &[u8]) -> Vec<u8> {
    [&[1, 1, 0, 0, 0, 0, 0, 0], time.as_slice(), challenge, &[0; 4], info, &[0; 4]].concat()
}

fn hmac(key: &SecretBytes, parts: &[&[u8]]) -> Option<[u8; 16]> {
    let mut mac = Hmac::<Md5>::new_from_slice(key.expose()).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

/// Length twice, and offset.
fn field(out: &mut Vec<u8>, length: usize, offset: usize) {
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
    out.extend(length);
    out.extend(length);
    out.extend(u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes());
}

fn number(message: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(message.get(at..at + 4)?.try_into().ok()?))
}

fn short(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(message.get(at..at + 2)?.try_into().ok()?))
}

/// What the field at `at` points to.
fn payload(message: &[u8], at: usize) -> Option<&[u8]> {
    let (length, offset) = (usize::from(short(message, at)?), usize::try_from(number(message, at + 4)?).ok()?);
    if length == 0 { Some(&[]) } else { message.get(offset..offset.checked_add(length)?) }
}

/// The server's time out of its list of attributes; `None` for a list that breaks off.
fn timestamp(info: &[u8]) -> Option<Option<[u8; 8]>> {
    let (mut at, mut time) = (0, None);
    while at < info.len() {
        let (id, length) = (short(info, at)?, usize::from(short(info, at + 2)?));
        let value = info.get(at + 4..at + 4 + length)?;
        match id {
            AV_END => return Some(time),
            AV_TIMESTAMP => time = Some(value.try_into().ok()?),
            _ => {}
        }
        at += 4 + length;
    }
    Some(time)
}

fn utf16(text: &str) -> Vec<u8> {
    // What grows leaves copies behind, and the text may be a password. No character takes more than twice its bytes.
    let mut out = Vec::with_capacity(2 * text.len());
    out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    out
}

fn utf16_text(bytes: &[u8]) -> Option<String> {
    if bytes.len() % 2 == 1 {
        return None;
    }
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok()
}

/// As Windows does: a letter whose capital is more than one letter stays.
fn upper(text: &str) -> String {
    let one = |c: char| {
        let mut capital = c.to_uppercase();
        match (capital.next(), capital.next()) {
            (Some(capital), None) => capital,
            _ => c,
        }
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let hex: String = hex.split_whitespace().collect();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn part(message: &[u8], at: usize) -> Vec<u8> {
        payload(message, at).unwrap().to_vec()
    }

    /// [MS-NLMP] 4.2.4.3: without a time of the server's.
    const CHALLENGE: &str = "4e544c4d53535000 02000000 0c000c00 38000000 33828ae2 0123456789abcdef 0000000000000000
        24002400 44000000 060070170000000f 530065007200760065007200
        02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000";
    const INFO: &str = "02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000";

    const FRESH: Fresh = Fresh { time: 0, challenge: [0xaa; 8] };

    #[test]
    fn the_published_examples_come_out() {
        let user = User::of("Domain\\User");
        let password = SecretBytes::from("Password");
        // 4.2.2.1.2 and 4.2.4.1.1
        assert_eq!(Md4::digest(utf16("Password")).to_vec(), bytes("a4f49c406510bdcab6824ee7c30fd852"));
        let key = response_key(&user, "Domain", &password).unwrap();
        assert_eq!(key.expose(), bytes("0c868a403bfd7a93a3001ef22ef02e3f"));

        let challenge = Challenge::parse(&bytes(CHALLENGE)).unwrap();
        assert_eq!((challenge.target.as_str(), &challenge.info), ("Server", &bytes(INFO)));
        let message = authenticate(&challenge, &user, &password, &FRESH).unwrap();
        let message = message.expose();
        // 4.2.4.2.1
        assert_eq!(part(message, 12), bytes("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"));
        // 4.2.4.2.2, and 4.2.4.1.3 after it
        let blob = "0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000".to_owned() + INFO + "00000000";
        assert_eq!(part(message, 20), bytes(&("68cd0ab851e51c96aabc927bebef6a1c".to_owned() + &blob)));
        assert_eq!((part(message, 28), part(message, 36)), (utf16("Domain"), utf16("User")));
        assert_eq!((part(message, 44), part(message, 52)), (vec![], vec![]));
        // Nothing of the server's flags that wasn't offered, key exchange for one.
        assert_eq!(number(message, 60), Some(0x3382_8ae2_u32.swap_bytes() & OFFERED));
        assert_eq!(part(message, 20).len() + 24 + 12 + 8 + AUTHENTICATE_HEAD, message.len());
    }

    #[test]
    fn a_password_is_rewritten_in_place() {
        for text in ["", "a", "Pä55", "日本", "𝄞"] {
            let (bytes, whole) = (utf16(text), text.encode_utf16().count() * 2);
            assert_eq!((bytes.len(), bytes.capacity()), (whole, 2 * text.len()), "{text}: it never grew");
        }
    }

    #[test]
    fn a_server_that_tells_its_time_gets_it_back_and_no_weaker_proof() {
        let info = bytes("07000800 1122334455667788 00000000");
        let mut message =
            bytes("4e544c4d53535000 02000000 00000000 30000000 01828aa2 0123456789abcdef 0000000000000000");
        field(&mut message, info.len(), 48);
        message.extend(&info);
        let challenge = Challenge::parse(&message).unwrap();
        assert_eq!(challenge.time, Some([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]));
        let message = authenticate(&challenge, &User::of("u"), &SecretBytes::from("p"), &FRESH).unwrap();
        assert_eq!(part(message.expose(), 12), [0; 24]);
        assert_eq!(part(message.expose(), 20)[24..32], [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
    }

    #[test]
    fn users_are_written_in_three_ways() {
        let cases = [
            ("ada", "ada", None),
            ("CORP\\ada", "ada", Some("CORP")),
            ("CORP\\ada@x", "ada@x", Some("CORP")),
            (".\\ada", "ada", Some(".")),
            ("ada@corp.example", "ada@corp.example", Some("")),
        ];
        for (text, name, domain) in cases {
            let want = User { name: name.to_owned(), domain: domain.map(str::to_owned) };
            assert_eq!(User::of(text), want, "{text}");
        }
        let challenge = Challenge::parse(&bytes(CHALLENGE)).unwrap();
        let domain = |user: &str| {
            let message = authenticate(&challenge, &User::of(user), &SecretBytes::from("p"), &FRESH).unwrap();
            utf16_text(&part(message.expose(), 28)).unwrap()
        };
        assert_eq!([domain("ada"), domain("CORP\\ada"), domain("ada@x")], ["Server", "CORP", ""]);
        assert_eq!(upper("adaßé"), "ADAßÉ");
    }

    #[test]
    fn what_is_no_challenge_is_none_however_it_is_cut() {
        let whole = bytes(CHALLENGE);
        for end in 0..whole.len() {
            assert_eq!(Challenge::parse(&whole[..end]), None, "{end}");
        }
        let changed = |at: usize, byte: u8| {
            let mut message = whole.clone();
            message[at] = byte;
            Challenge::parse(&message)
        };
        assert_eq!(changed(0, b'X'), None, "signature");
        assert_eq!(changed(8, 3), None, "type");
        assert_eq!(changed(20, 0x32), None, "not Unicode");
        assert_eq!(changed(19, 0xff), None, "an offset out of bounds");
        assert_eq!(changed(70, 0xff), None, "an attribute out of bounds");
        assert_eq!(Challenge::parse(&negotiate()), None);
    }

    #[test]
    fn the_first_message_names_nobody() {
        let want = bytes("4e544c4d53535000 01000000 058288a0 0000000020000000 0000000020000000");
        assert_eq!(negotiate(), want);
    }
}
