//! Passwords: hashes of them, and ones that are derived from a master password.
//!
//! Each call is slow by design, so each is charged for as `HASH` and `DERIVE` say.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::hmac;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{NO_PAD, STANDARD};
use base64::{Engine, alphabet};

use super::STR;
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::value::{Type, Uint, Value};

pub(super) const TABLE: &[Function] = &[
    Function::new("bcrypt", &[STR], |c, a| Ok(Value::str(bcrypt(c, bytes(&a[0]))?))),
    Function::new("htpasswd", &[STR, STR, Type::Text("sprig.HashAlgorithm")], |c, a| {
        htpasswd(c, bytes(&a[0]), bytes(&a[1]), bytes(&a[2]))
    }),
    Function::new("derivePassword", &[Type::Uint(Uint::U32), STR, STR, STR, STR], derive),
];

/// Steps for one bcrypt hash: 20 of them in a rendering by default, at some 50 ms each.
const HASH: u64 = 100_000;

/// Steps for one derived password: 13 of them by default, at some 150 ms and 32 MiB each.
const DERIVE: u64 = 150_000;

const COST: u32 = 10;
const BCRYPT: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// A hash in bcrypt's own format. A password that is too long gives a text that says so, as in the library.
fn bcrypt(call: &mut Call<'_>, password: &[u8]) -> Result<Vec<u8>, Failure> {
    if password.len() > 72 {
        return Ok(b"failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_vec());
    }
    call.step(HASH)?;
    let mut salt = [0; 16];
    salt.copy_from_slice(&call.env.random(16));
    // The hash reads a final zero byte, but never more than 72 bytes.
    let mut password = [password, &[0]].concat();
    password.truncate(72);
    let hash = bcrypt::bcrypt(COST, salt, &password);
    let text = |data: &[u8]| BCRYPT.encode(data);
    Ok(format!("$2a${COST}${}{}", text(&salt), text(&hash[..23])).into_bytes())
}

fn htpasswd(call: &mut Call<'_>, user: &[u8], password: &[u8], algorithm: &[u8]) -> Answer {
    if user.contains(&b':') {
        return Ok(Value::str([b"invalid username: ", user].concat()));
    }
    let hash = if algorithm == b"sha" {
        let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, password);
        format!("{{SHA}}{}", STANDARD.encode(sum.as_ref())).into_bytes()
    } else {
        bcrypt(call, password)?
    };
    Ok(Value::str([user, b":", &hash].concat()))
}

/// The Master Password algorithm, first version, which counts bytes where later ones count characters.
fn derive(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let counter = match &a[0] {
        Value::Uint(_, n) => u32::try_from(*n).unwrap_or(0),
        _ => 0,
    };
    let (kind, password, user, site) = (bytes(&a[1]), bytes(&a[2]), bytes(&a[3]), bytes(&a[4]));
    let Some((_, layouts)) = LAYOUTS.iter().find(|(name, _)| name.as_bytes() == kind) else {
        return Ok(Value::str([b"cannot find password template ", kind].concat()));
    };
    call.step(DERIVE)?;
    let sized = |text: &[u8]| [&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes(), text].concat();
    let failed = "failed to derive password";
    let params = scrypt::Params::new(15, 8, 2).map_err(|_| failed)?;
    let mut key = [0; 64];
    scrypt::scrypt(password, &[SCOPE, &sized(user)].concat(), &params, &mut key).map_err(|_| failed)?;
    let message = [SCOPE, &sized(site), &counter.to_be_bytes()].concat();
    let seed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message);
    let Some((first, seed)) = seed.as_ref().split_first() else { return Err(failed.into()) };
    let layout = layouts[usize::from(*first) % layouts.len()];
    let password: Vec<u8> = layout
        .bytes()
        .zip(seed)
        .map(|(class, draw)| {
            let set = characters(class);
            set[usize::from(*draw) % set.len()]
        })
        .collect();
    Ok(Value::str(password))
}

const SCOPE: &[u8] = b"com.lyndir.masterpassword";

/// The shapes of each kind of password; a letter stands for a class of characters.
const LAYOUTS: &[(&str, &[&str])] = &[
    ("maximum", &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"]),
    (
        "long",
        &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
    ),
    ("medium", &["CvcnoCvc", "CvcCvcno"]),
    ("short", &["Cvcn"]),
    ("basic", &["aaanaaan", "aannaaan", "aaannaaa"]),
    ("pin", &["nnnn"]),
];

fn characters(class: u8) -> &'static [u8] {
    match class {
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}
