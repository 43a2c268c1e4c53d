//! Stands before the tests' server and speaks TLS, or a Unix socket, in its place.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixListener},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// What a client sends first when it wants TLS:
/// <https://www.postgresql.org/docs/16/protocol-message-formats.html>.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A server in front of the server at `upstream`, alive as long as the process.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    /// How many clients spoke TLS.
    pub(crate) encrypted: Arc<AtomicUsize>,
}

/// An authority, and where its certificate lies.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("root.crt"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), dir }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root.crt")
    }

    /// What a server needs to show itself as `name`.
    fn server(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(certificate)];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

impl Proxy {
    /// Speaks TLS with a certificate of `authority` for `name`; without one it refuses to.
    pub(crate) fn start(upstream: &str, certificate: Option<(&Authority, &str)>) -> Self {
        let acceptor = certificate.map(|(authority, name)| authority.server(name));
        let encrypted = Arc::new(AtomicUsize::new(0));
        let (upstream, counter) = (upstream.to_owned(), Arc::clone(&encrypted));
        let (sender, receiver) = std::sync::mpsc::channel();
        run(async move || {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let SocketAddr::V4(address) = listener.local_addr()? else { unreachable!() };
            sender.send(address.port()).unwrap();
            loop {
                let client = listener.accept().await?.0;
                let (upstream, acceptor) = (upstream.clone(), acceptor.clone());
                let counter = Arc::clone(&counter);
                tokio::spawn(async move { serve(client, &upstream, acceptor, &counter).await });
            }
        });
        Self { port: receiver.recv().unwrap(), encrypted }
    }

    pub(crate) fn encrypted(&self) -> usize {
        self.encrypted.load(Ordering::SeqCst)
    }
}

/// Listens on `<dir>/.s.PGSQL.5432` as a local server does.
pub(crate) fn socket(dir: &Path, upstream: &str) {
    let listener = std::os::unix::net::UnixListener::bind(dir.join(".s.PGSQL.5432")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let upstream = upstream.to_owned();
    run(async move || {
        let listener = UnixListener::from_std(listener)?;
        loop {
            let client = listener.accept().await?.0;
            let upstream = upstream.clone();
            tokio::spawn(async move { forward(client, &upstream).await });
        }
    });
}

/// Runs `work` on a thread of its own, until the process ends.
fn run(work: impl AsyncFnOnce() -> io::Result<()> + Send + 'static) {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work()).unwrap();
    });
}

async fn serve(
    mut client: TcpStream,
    upstream: &str,
    acceptor: Option<TlsAcceptor>,
    encrypted: &AtomicUsize,
) -> io::Result<()> {
    let mut first = [0; 8];
    client.peek(&mut first).await?;
    if first != SSL_REQUEST {
        return forward(client, upstream).await;
    }
    client.read_exact(&mut first).await?;
    let Some(acceptor) = acceptor else {
        client.write_all(b"N").await?;
        return forward(client, upstream).await;
    };
    client.write_all(b"S").await?;
    let client = acceptor.accept(client).await?;
    encrypted.fetch_add(1, Ordering::SeqCst);
    forward(client, upstream).await
}

async fn forward(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    upstream: &str,
) -> io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
