//! The certificates and keys of a throw-away control plane.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::error::Result;

/// A certificate authority and the folder that its files go to.
pub struct Pki {
    folder: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both PEM.
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

impl Pki {
    /// Makes an authority and writes `ca.crt`.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn new(folder: &Path) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "e2e");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        fs::write(folder.join("ca.crt"), &pem)?;
        Ok(Self { folder: folder.to_owned(), pem, issuer: Issuer::new(params, key) })
    }

    /// The authority's certificate, PEM.
    pub fn ca(&self) -> &str {
        &self.pem
    }

    /// A file of the authority's folder, as an argument.
    pub fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Issues a certificate for a server; writes `NAME.crt` and `NAME.key`.
    ///
    /// # Errors
    /// If a host isn't a name or an address, or a file can't be written.
    pub fn server(&self, name: &str, hosts: &[&str]) -> Result<()> {
        let params = CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())?;
        let pair = self.issue(params, name, ExtendedKeyUsagePurpose::ServerAuth)?;
        fs::write(self.file(&format!("{name}.crt")), pair.cert)?;
        fs::write(self.file(&format!("{name}.key")), pair.key)?;
        Ok(())
    }

    /// Issues a certificate for the user `name` of `group`.
    ///
    /// # Errors
    /// If signing fails.
    pub fn client(&self, name: &str, group: &str) -> Result<Pair> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::OrganizationName, group);
        self.issue(params, name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Writes the key pair that service account tokens are signed with: `service-account.key` and `.pub`.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn service_account_key(&self) -> Result<()> {
        let pair = KeyPair::generate()?;
        fs::write(self.file("service-account.key"), pair.serialize_pem())?;
        Ok(fs::write(self.file("service-account.pub"), pair.public_key_pem())?)
    }

    fn issue(&self, mut params: CertificateParams, name: &str, usage: ExtendedKeyUsagePurpose) -> Result<Pair> {
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        Ok(Pair { cert: params.signed_by(&key, &self.issuer)?.pem(), key: key.serialize_pem() })
    }
}
