//! TLS as libpq's `sslmode` means it; see
//! <https://www.postgresql.org/docs/16/libpq-ssl.html#LIBPQ-SSL-PROTECTION>.

use std::{path::Path, str::FromStr, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::ConnectError;

/// What the client demands of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// No TLS.
    Disable,
    /// TLS when the server has it, whoever it is. Also what `allow` gives.
    Prefer,
    /// TLS, whoever the server is; with a root certificate like [`Mode::VerifyCa`], as in libpq.
    Require,
    /// TLS and a certificate that leads to a root.
    VerifyCa,
    /// That, and made out to the host's name.
    VerifyFull,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(format!(
                    "expected `sslmode` disable, allow, prefer, require, verify-ca or \
                     verify-full, found `{text}`"
                ));
            }
        })
    }
}

/// How to speak TLS.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    /// A file of root certificates, or `system`.
    pub(super) root: Option<String>,
}

/// libpq's own place for root certificates, when there is something.
pub(super) fn default_root(home: &Path) -> Option<String> {
    let file = home.join(".postgresql/root.crt");
    file.exists().then(|| file.to_string_lossy().into_owned())
}

impl Tls {
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, ConnectError> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match (self.mode, &self.root) {
            (Mode::VerifyFull, _) => self.chain(&provider)?,
            (Mode::VerifyCa, _) | (Mode::Require, Some(_)) => {
                Arc::new(AnyName(self.chain(&provider)?))
            }
            _ => Arc::new(Anyone(provider.clone())),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ConnectError::Tls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }

    fn chain(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<WebPkiServerVerifier>, ConnectError> {
        let wrong = |message: String| ConnectError::Tls(message);
        let mut roots = RootCertStore::empty();
        match self.root.as_deref() {
            None => {
                return Err(wrong(
                    "a server can only be verified with root certificates: give `sslrootcert` a \
                     file, or `system`"
                        .to_owned(),
                ));
            }
            Some("system") => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Some(file) => {
                let unreadable = |error: &dyn std::fmt::Display| {
                    wrong(format!("cannot read root certificates from `{file}`: {error}"))
                };
                let certs =
                    CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))?;
                for cert in certs {
                    let cert = cert.map_err(|error| unreadable(&error))?;
                    roots.add(cert).map_err(|error| unreadable(&error))?;
                }
            }
        }
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| wrong(format!("no usable root certificate: {error}")))
    }
}

/// Takes every certificate: what `prefer` and `require` ask for is that nobody listens in, not
/// that the server is the right one.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

/// Takes a certificate that leads to a root, whatever name it is made out to.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::Error::InvalidCertificate;
        match self.0.verify_server_cert(cert, intermediates, name, ocsp, now) {
            // The chain is looked at before the name, so a wrong name means a right chain.
            Err(InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
