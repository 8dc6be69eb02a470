//! Templates that would not end, or grow without bound: each is stopped with an error that says why.

use jiff::Timestamp;
use template::{Delims, Env, Functions, Options, Value, parse};

fn outcome(text: &str) -> String {
    outcome_with(text, b"b")
}

/// What rendering gives where `.a` is this value.
fn outcome_with(text: &str, a: &[u8]) -> String {
    let functions = Functions::eso();
    let parsed = match parse("t", text, &Delims::default(), &functions) {
        Ok(parsed) => parsed,
        Err(error) => return error.text,
    };
    let env = Env::new(Timestamp::UNIX_EPOCH, |buffer: &mut [u8]| buffer.fill(1));
    match parsed.render(&Value::string_map([("a", a)]), &functions, &env, &Options::default()) {
        Ok(out) => format!("{} bytes", out.len()),
        Err(error) => error.text,
    }
}

#[test]
fn what_would_not_end_is_stopped() {
    let cases = [
        ("{{ define \"l\" }}{{ template \"l\" }}{{ end }}{{ template \"l\" }}", "exceeded maximum template depth"),
        ("{{ range 1000000000000 }}{{ end }}", "steps"),
        ("{{ range until 1000000000 }}x{{ end }}", "produces more than"),
        ("{{ repeat 1000000000 \"abcdefgh\" }}", "produces more than"),
        ("{{ range 1000000 }}xxxxxxxxxx{{ end }}", "the output exceeds"),
        ("{{ printf \"%1000000d%1000000d%1000000d\" 1 2 3 }}", "the output exceeds"),
        ("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $d }}", "the output exceeds"),
        ("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ mustToJson $d }}", "nest deeper"),
        ("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ deepCopy $d }}", "nest deeper"),
        ("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ deepEqual $d (dict \"d\" $d) }}", "nest deeper"),
        ("{{ $x := list }}{{ range 100000 }}{{ $x = list $x }}{{ end }}", "nest deeper"),
        ("{{ $x := list 1 }}{{ range 60 }}{{ $x = concat $x $x }}{{ end }}", "produces more than"),
        ("{{ $x := \"a\" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}", "produces more than"),
        ("{{ regexMatch \"((a{1000}){1000}){1000}\" .a }}", "5 bytes"),
        ("{{ range $i := 1000000 }}{{ $_ := regexMatch (print \"a{1000}\" $i) $.a }}{{ end }}", "produces more than"),
        ("{{ regexReplaceAll \"x(y)?\" (repeat 200000 \"x\") (repeat 200000 \"$1\") }}", "produces more than"),
        ("{{ semverCompare (repeat 500000 \"1 \") \"1.0.0\" }}", "produces more than"),
        (
            "{{ $a := repeat 250000 \"a\" }}{{ range 20 }}{{ $_ := contains (print $a \"b\") (print $a $a) }}{{ end }}",
            "0 bytes",
        ),
        ("{{ .a ", "unclosed action"),
    ];
    for (text, want) in cases {
        let got = outcome(text);
        assert!(got.contains(want), "{text}: {got}");
    }
}

#[test]
fn nesting_is_bounded_before_the_stack_is() {
    let cases = [
        format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)),
        "{{ if true }}".repeat(100_000),
        "{{ if true }}{{ else }}".repeat(100_000),
        format!("{{{{ if false }}}}{}{{{{ end }}}}", "{{ else if false }}".repeat(100_000)),
        "{{ block \"a\" . }}".repeat(100_000),
        "{{ with . }}{{ range . }}".repeat(100_000),
    ];
    for text in cases {
        let got = outcome(&text);
        assert!(got.contains("nest deeper"), "{got}");
    }
    let deepest = format!("{}x{}", "{{ if true }}".repeat(140), "{{ end }}".repeat(140));
    assert_eq!(outcome(&deepest), "1 bytes");
}

#[test]
fn arbitrary_bytes_of_templates_never_panic() {
    let pieces = [
        "{{", "}}", "(", ")", "|", ".", "$", "x", ":=", "=", "\"", "`", "'", "1", "-", " ", "if", "end", "range", "é",
        "\n", ",",
    ];
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::from("{{");
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[usize::try_from(state >> 33).unwrap_or(0) % pieces.len()]);
        }
        assert!(!outcome(&text).is_empty());
    }
}

/// A DER element.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    let skip = length.iter().take_while(|b| **b == 0).count();
    let count = 0x80 | u8::try_from(4 - skip).unwrap_or_default();
    let head = if body.len() < 128 { vec![length[3]] } else { [&[count], &length[skip..]].concat() };
    [&[tag], &head[..], &body].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

fn number(n: u64) -> Vec<u8> {
    let digits = [&[0], &n.to_be_bytes()[..]].concat();
    let skip = (0..8).take_while(|i| digits[*i] == 0 && digits[i + 1] < 0x80).count();
    tlv(2, &[&digits[skip..]])
}

const DATA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const ENCRYPTED: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];
const PBES2: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const PBKDF2: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
const PBMAC1: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 14];
const OLD: &[u8] = &[6, 10, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1, 6];
const HMAC_SHA256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9];
const SHA1: &[u8] = &[6, 5, 0x2b, 0x0e, 3, 2, 0x1a];
const AES: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2a];

/// A PKCS#12 file around one safe, with a MAC by this algorithm.
fn file(safe: &[u8], mac: Option<(&[u8], u64)>) -> Vec<u8> {
    let content = sequence(&[DATA, &tlv(0xa0, &[&tlv(4, &[&sequence(&[safe])])])]);
    let mac = mac.map(|(algorithm, iterations)| {
        let digest = sequence(&[&sequence(&[algorithm]), &tlv(4, &[b"digest"])]);
        sequence(&[&digest, &tlv(4, &[b"salt"]), &number(iterations)])
    });
    sequence(&[&number(3), &content, &mac.unwrap_or_default()])
}

fn pbkdf2(iterations: u64, length: &[u8]) -> Vec<u8> {
    let prf = sequence(&[HMAC_SHA256]);
    sequence(&[PBKDF2, &sequence(&[&tlv(4, &[b"salt"]), &number(iterations), length, &prf])])
}

fn encrypted(algorithm: &[u8]) -> Vec<u8> {
    let info = sequence(&[DATA, &sequence(&[algorithm]), &tlv(0x80, &[&[7; 32]])]);
    sequence(&[ENCRYPTED, &tlv(0xa0, &[&sequence(&[&number(0), &info])])])
}

#[test]
fn files_that_ask_for_endless_key_derivation_are_refused() {
    let many = (1 << 31) - 1;
    let modern = |n| [PBES2, &sequence(&[&pbkdf2(n, &[]), &sequence(&[AES, &tlv(4, &[&[9; 16]])])])].concat();
    let old = |n| [OLD, &sequence(&[&tlv(4, &[b"salt"]), &number(n)])].concat();
    let pbmac = |n, length| [PBMAC1, &sequence(&[&pbkdf2(n, &number(length)), &sequence(&[HMAC_SHA256])])].concat();
    let refused = "asks for more rounds of key derivation";
    let cases = [
        ("few rounds", file(&encrypted(&modern(1)), None), "incorrect padding"),
        ("few old rounds", file(&encrypted(&old(1)), None), "incorrect padding"),
        ("few rounds of a MAC", file(&[], Some((SHA1, 1))), "password incorrect"),
        ("PBES2", file(&encrypted(&modern(many)), None), refused),
        ("PBES2, 64 bits", file(&encrypted(&modern(1 << 62)), None), refused),
        ("the old way", file(&encrypted(&old(many)), None), refused),
        ("MAC", file(&[], Some((SHA1, many))), refused),
        ("PBMAC1", file(&[], Some((&pbmac(many, 32), 1))), refused),
        ("PBMAC1 with a long key", file(&[], Some((&pbmac(1, 1 << 40), 1))), refused),
        ("PBMAC1 with a key of 60 MB", file(&[], Some((&pbmac(1, 60 << 20), 1))), "produces more than"),
    ];
    for (name, file, want) in cases {
        let start = std::time::Instant::now();
        let got = outcome_with("{{ pkcs12key .a }}", &file);
        assert!(got.contains(want), "{name}: {got}");
        assert!(start.elapsed().as_secs() < 2, "{name} took {:?}", start.elapsed());
    }
}

const ED25519: &[u8] = b"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\"}";

#[test]
fn giant_keys_files_and_bundles_are_refused() {
    let empty = b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
    let bundle = empty.repeat(100_000);
    let begins = b"-----BEGIN A-----\n".repeat(100_000);
    let ends = b"\n-----END A-----".repeat(100_000);
    let filler = tlv(4, &[&vec![0; 6 << 20]]);
    let digits = "_".repeat(1 << 20);
    let jwk = format!("{{\"kty\":\"RSA\",\"n\":\"{digits}\",\"e\":\"AQAB\",\"d\":\"{digits}\"}}");
    let cases: [(&str, &[u8], &str); 8] = [
        ("{{ filterCertChain \"leaf\" .a }}", &bundle, "produces more than"),
        ("{{ pemTruststoreToPKCS12 .a }}", &bundle, "produces more than"),
        ("{{ filterPEM \"x\" .a }}", &bundle, "0 bytes"),
        ("{{ filterPEM \"x\" .a }}", &begins, "found junk"),
        ("{{ filterPEM \"x\" .a }}", &ends, "found junk"),
        ("{{ pkcs12key .a }}", &filler, "produces more than"),
        ("{{ jwkPrivateKeyPem .a }}", jwk.as_bytes(), "more than 16384 bits are not supported"),
        ("{{ range 3000 }}{{ $_ := jwkPublicKeyPem $.a }}{{ end }}", ED25519, "steps"),
    ];
    for (text, a, want) in cases {
        let got = outcome_with(text, a);
        assert!(got.contains(want), "{text} of {} bytes: {got}", a.len());
    }
}
