//! Keys, certificates and passwords that are made anew: they are taken apart again by other code than made them.

use std::error::Error;

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use template::{Delims, Env, Functions, Limits, Options, Value, parse};
use x509_parser::oid_registry::{OID_PKCS1_SHA256WITHRSA, OID_SIG_ED25519};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

type Check = Result<(), Box<dyn Error>>;

/// 2026-09-21 13:33:20 UTC.
const NOW: i64 = 1_789_997_600;

/// A rendering in which the source of chance begins anew; its bytes differ.
fn rendered(text: &str, data: &[(&str, &str)], limits: Limits) -> Result<String, String> {
    let functions = Functions::eso();
    let mut state = 7_u64;
    let now = Timestamp::from_second(NOW).map_err(|e| e.to_string())?;
    let env = Env::new(now, move |buffer: &mut [u8]| {
        for byte in buffer {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = state.to_be_bytes()[0];
        }
    });
    let parsed = parse("t", text, &Delims::default(), &functions).map_err(|e| e.to_string())?;
    let options = Options { limits, ..Options::default() };
    let out = parsed
        .render(&Value::string_map(data.iter().copied()), &functions, &env, &options)
        .map_err(|e| e.to_string())?;
    String::from_utf8(out).map_err(|e| e.to_string())
}

fn render(text: &str) -> Result<String, String> {
    rendered(text, &[], Limits::default())
}

/// Type and DER.
type Block = (String, Vec<u8>);

fn blocks(text: &str) -> Result<Vec<Block>, Box<dyn Error>> {
    let mut blocks = Vec::new();
    for part in text.split("-----BEGIN ").skip(1) {
        let (kind, rest) = part.split_once("-----\n").ok_or("no end of the first line")?;
        let (body, _) = rest.split_once("-----END ").ok_or("no end")?;
        blocks.push((kind.to_owned(), STANDARD.decode(body.replace('\n', ""))?));
    }
    Ok(blocks)
}

/// How the signature of a certificate is verified.
fn algorithm(certificate: &X509Certificate<'_>) -> &'static dyn VerificationAlgorithm {
    let oid = &certificate.signature_algorithm.algorithm;
    if *oid == OID_PKCS1_SHA256WITHRSA {
        &signature::RSA_PKCS1_2048_8192_SHA256
    } else if *oid == OID_SIG_ED25519 {
        &signature::ED25519
    } else {
        &signature::ECDSA_P256_SHA256_ASN1
    }
}

fn signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Check {
    let key = UnparsedPublicKey::new(algorithm(certificate), &issuer.public_key().subject_public_key.data);
    key.verify(certificate.tbs_certificate.as_ref(), &certificate.signature_value.data)
        .map_err(|_| "the signature doesn't verify")?;
    assert_eq!(certificate.issuer().as_raw(), issuer.subject().as_raw());
    Ok(())
}

#[test]
fn an_authority_signs_certificates_whoever_made_the_keys() -> Check {
    let cases = [
        ("genCA \"ca\" 30", "genSignedCert \"é.example\" $i $d 10 $ca", "RSA PRIVATE KEY"),
        (
            "genCAWithKey \"ca\" 30 (genPrivateKey \"ecdsa\")",
            "genSignedCertWithKey \"é.example\" $i $d 10 $ca (genPrivateKey \"ed25519\")",
            "PRIVATE KEY",
        ),
        (
            "genCAWithKey \"ca\" 30 (genPrivateKey \"ed25519\")",
            "genSignedCertWithKey \"é.example\" $i $d 10 $ca (genPrivateKey \"ecdsa\")",
            "EC PRIVATE KEY",
        ),
    ];
    for (ca, leaf, key) in cases {
        let text = format!(
            "{{{{ $i := list \"10.0.0.1\" \"::1\" }}}}{{{{ $d := list \"a.example\" \"*.b.example\" }}}}\
             {{{{ $ca := {ca} }}}}{{{{ $c := {leaf} }}}}{{{{ $ca.Cert }}}}{{{{ $c.Cert }}}}{{{{ $c.Key }}}}"
        );
        let blocks = blocks(&render(&text)?)?;
        let kinds: Vec<&str> = blocks.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["CERTIFICATE", "CERTIFICATE", key], "{ca}");
        let (_, ca) = X509Certificate::from_der(&blocks[0].1)?;
        let (_, leaf) = X509Certificate::from_der(&blocks[1].1)?;
        signed_by(&ca, &ca)?;
        signed_by(&leaf, &ca)?;

        assert_eq!(leaf.subject().to_string(), "CN=é.example");
        assert_eq!(leaf.validity().not_before.timestamp(), NOW);
        assert_eq!(leaf.validity().not_after.timestamp(), NOW + 10 * 86_400);
        assert!(ca.is_ca() && !leaf.is_ca());
        assert_ne!(ca.raw_serial(), leaf.raw_serial());
        let names = leaf.subject_alternative_name()?.ok_or("no names")?.value;
        let want = [
            GeneralName::DNSName("a.example"),
            GeneralName::DNSName("*.b.example"),
            GeneralName::IPAddress(&[10, 0, 0, 1]),
            GeneralName::IPAddress(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ];
        assert_eq!(names.general_names, want);
        let usage = leaf.key_usage()?.ok_or("no usage")?.value;
        assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
        assert!(ca.key_usage()?.is_some_and(|u| u.value.key_cert_sign()));
        let extended = leaf.extended_key_usage()?.ok_or("no extended usage")?.value;
        assert!(extended.server_auth && extended.client_auth && !extended.any);
    }
    Ok(())
}

#[test]
fn a_key_that_is_given_is_the_key_of_the_certificate() -> Check {
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let text = format!(
            "{{{{ $k := genPrivateKey \"{kind}\" }}}}{{{{ $c := genSelfSignedCertWithKey \"x\" nil nil 1 $k }}}}\
             {{{{ eq $k $c.Key }}}}{{{{ $c.Cert }}}}"
        );
        let text = render(&text)?;
        assert!(text.starts_with("true"), "{kind}");
        let blocks = blocks(&text)?;
        let (_, certificate) = X509Certificate::from_der(&blocks[0].1)?;
        signed_by(&certificate, &certificate)?;
    }
    Ok(())
}

#[test]
fn a_certificate_without_a_name_has_critical_alternatives() -> Check {
    let text = "{{ (genSelfSignedCertWithKey \"\" nil (list \"a\") 1 (genPrivateKey \"ecdsa\")).Cert }}";
    let blocks = blocks(&render(text)?)?;
    let (_, certificate) = X509Certificate::from_der(&blocks[0].1)?;
    assert_eq!(certificate.subject().to_string(), "");
    assert!(certificate.subject_alternative_name()?.is_some_and(|names| names.critical));
    Ok(())
}

#[test]
fn an_authority_of_another_key_is_refused() -> Check {
    let text = "{{ $a := genCAWithKey \"a\" 1 (genPrivateKey \"ecdsa\") }}\
                {{ $b := buildCustomCert (b64enc $a.Cert) (genPrivateKey \"ed25519\" | b64enc) }}\
                {{ genSignedCertWithKey \"x\" nil nil 1 $b (genPrivateKey \"ecdsa\") }}";
    let error = render(text).err().ok_or("no error")?;
    assert!(
        error.ends_with("error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey"),
        "{error}"
    );
    Ok(())
}

#[test]
fn keys_of_the_same_chance_are_the_same_unless_they_are_rsa() -> Check {
    for kind in ["ecdsa", "ed25519"] {
        let text = format!("{{{{ genPrivateKey \"{kind}\" }}}}");
        assert_eq!(render(&text)?, render(&text)?);
    }
    Ok(())
}

/// Checked with Go's `bcrypt.CompareHashAndPassword`.
#[test]
fn bcrypt_hashes_are_ones_that_go_accepts() -> Check {
    let salt = "$2a$10$dtRmPSOhXzJ5rUsNKYG4C.";
    let longest = "y".repeat(72);
    let cases = [
        ("", "mGvE9mohvz.dXnP0FJl1taa2lFyaYii"),
        ("a", "7jNKsthBXn9XtXAAobJ5UOw/DtEZACm"),
        ("a\0b", "2r0yLUOGPOHg2/yEDNpajZRLGGRgJ6O"),
        (longest.as_str(), "/AJ.ytQKFVA.FicCb2Xxu99kkx.YpiG"),
    ];
    for (password, hash) in cases {
        let data = [("p", password)];
        assert_eq!(rendered("{{ bcrypt .p }}", &data, Limits::default())?, format!("{salt}{hash}"));
    }
    Ok(())
}

#[test]
fn what_is_slow_is_stopped_when_it_is_repeated() {
    // A tenth of what is allowed by default.
    let limits = Limits { steps: 200_000, ..Limits::default() };
    for call in [
        "genCA \"x\" 1",
        "genSelfSignedCert \"x\" nil nil 1",
        "genPrivateKey \"rsa\"",
        "bcrypt \"x\"",
        "htpasswd \"u\" \"p\" \"bcrypt\"",
        "derivePassword 1 \"long\" \"p\" \"u\" \"s\"",
    ] {
        let text = format!("{{{{ range 100 }}}}{{{{ $_ := {call} }}}}{{{{ end }}}}");
        let got = rendered(&text, &[], limits.clone());
        assert!(got.as_ref().is_err_and(|e| e.contains("takes more than 200000 steps")), "{call}: {got:?}");
    }
}

#[test]
fn hostile_texts_are_judged_at_once() {
    let begins = "-----BEGIN PRIVATE KEY-----\n".repeat(40_000);
    let ends = "-----BEGIN A-----\n-----END B-----\n".repeat(40_000);
    let block = format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", "MIIB".repeat(200_000));
    for text in [begins.as_str(), &ends, &block] {
        for call in ["genCAWithKey \"x\" 1 .k", "buildCustomCert (b64enc .k) (b64enc .k)", "filterPEM \"X\" .k"] {
            let got = rendered(&format!("{{{{ {call} }}}}"), &[("k", text)], Limits::default());
            assert!(got.is_err() || got == Ok(String::new()), "{call}");
        }
    }
}

#[test]
fn errors_name_the_type_of_a_certificate_and_not_its_key() -> Check {
    let cases = [
        ("{{ range $c }}{{ end }}", "range can't iterate over sprig.certificate"),
        ("{{ call $c }}", "of type sprig.certificate"),
        ("{{ eq $c \"x\" }}", "incompatible types for comparison: sprig.certificate and string"),
        ("{{ eq (list $c) (list $c) }}", "non-comparable type [sprig.certificate]: []interface {}"),
        ("{{ eq (dict) (dict \"a\" $c) }}", "non-comparable type map[a:sprig.certificate]"),
        ("{{ genSelfSignedCertWithKey \"x\" (list $c) nil 1 $c.Key }}", "error parsing ip: sprig.certificate is not"),
        ("{{ genSelfSignedCertWithKey \"x\" nil (list $c) 1 $c.Key }}", "dns name: sprig.certificate is not"),
        ("{{ index $c 1 }}", "sprig.certificate"),
        ("{{ $c.Nope }}", "sprig.certificate"),
        ("{{ len $c }}", "sprig.certificate"),
        ("{{ upper $c }}", "expected string; got sprig.certificate"),
    ];
    for (text, want) in cases {
        let text = format!("{{{{ $c := genCAWithKey \"ca\" 1 (genPrivateKey \"ed25519\") }}}}{text}");
        let error = render(&text).err().ok_or(text.clone())?;
        assert!(error.contains(want) && !error.contains("BEGIN"), "{text}: {error}");
    }
    Ok(())
}
