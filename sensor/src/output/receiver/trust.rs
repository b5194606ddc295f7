//! Whom TLS believes: receivers are who they say only where a certificate says so that an authority of the
//! system, or of a file, has signed.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::{load_certs_from_paths, load_native_certs};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    authorities: Vec<CertificateDer<'static>>,
    /// For whatever speaks TLS by itself.
    pub(super) client: Arc<ClientConfig>,
}

impl Trust {
    /// For those who meet nobody that speaks TLS.
    pub(super) fn in_nobody() -> anyhow::Result<Self> {
        Self::new(Vec::new(), RootCertStore::empty())
    }

    /// In the authorities of a file, or else in those of the system.
    pub(super) fn in_those_of(file: Option<&Path>) -> anyhow::Result<Self> {
        let (found, place) = match file {
            Some(file) => (
                load_certs_from_paths(Some(file), None),
                file.display().to_string(),
            ),
            None => (load_native_certs(), "the system".to_owned()),
        };
        let mut store = RootCertStore::empty();
        // Some of the system's may be of a kind that nobody knows any more.
        let (usable, _) = store.add_parsable_certificates(found.certs.iter().cloned());
        if usable == 0 {
            let why = found.errors.first().map(|why| format!(": {why}"));
            bail!(
                "TLS: no certificate of an authority in {place}{}",
                why.unwrap_or_default()
            );
        }
        Self::new(found.certs, store)
    }

    fn new(
        authorities: Vec<CertificateDer<'static>>,
        store: RootCertStore,
    ) -> anyhow::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .context("TLS")?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self {
            provider,
            authorities,
            client: Arc::new(client),
        })
    }

    /// The same, for posts.
    pub(super) fn for_posts(&self) -> TlsConfig {
        let authorities = self.authorities.iter();
        let authorities = authorities.map(|one| Certificate::from_der(one).to_owned());
        TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(authorities.collect())))
            .unversioned_rustls_crypto_provider(Arc::clone(&self.provider))
            .build()
    }
}
