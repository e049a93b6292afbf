//! The only way out of an installing sandbox: a proxy on a Unix socket that lets the index hosts pass, and no other.
//!
//! TLS passes through from end to end: the proxy sees which host is asked for, and bytes.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

use super::settings::{authority_of, host_of};

const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
const CONNECT_DEADLINE: Duration = Duration::from_secs(20);
/// Connections at once; further ones wait.
const CONNECTIONS_MAX: usize = 32;

/// Which hosts may be reached, and how.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) hosts: Vec<(String, u16)>,
    /// The proxy of this machine: `http://[user:password@]host:port`.
    pub(super) upstream: Option<String>,
}

/// Serves connections until it is dropped, which ends them.
pub(super) async fn serve(listener: UnixListener, gate: Gate) {
    let gate = Arc::new(gate);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(error) => {
                tracing::warn!(error = %error, "the package proxy cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let gate = Arc::clone(&gate);
        connections.spawn(async move {
            let _place = place;
            if let Err(error) = pass(client, &gate).await {
                tracing::debug!(error = %error, "a connection of an installation ended");
            }
        });
    }
}

async fn pass(mut client: UnixStream, gate: &Gate) -> std::io::Result<()> {
    let Ok(head) = timeout(HEAD_DEADLINE, read_head(&mut client)).await else { return Ok(()) };
    let (head, rest) = head?;
    let Some(request) = Request::parse(&head) else {
        return client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    };
    if !gate.hosts.iter().any(|(host, port)| *host == request.host && *port == request.port) {
        tracing::warn!(host = request.host, port = request.port, "an installation asked for a host that it may not reach");
        let refusal = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(refusal).await;
    }
    let opened = timeout(CONNECT_DEADLINE, open(&request, gate)).await;
    let Ok(Ok(mut server)) = opened else {
        tracing::warn!(host = request.host, port = request.port, "the package index cannot be reached");
        let refusal = b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(refusal).await;
    };
    match &request.forward {
        None => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
        Some(head) => server.write_all(head).await?,
    }
    server.write_all(&rest).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Reads up to the empty line; what came after it is the second part.
async fn read_head(client: &mut UnixStream) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = head.split_off(end + 4);
            return Ok((head, rest));
        }
        if head.len() > HEAD_BYTES_MAX || client.read_buf(&mut head).await? == 0 {
            return Err(std::io::Error::other("not a request"));
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    host: String,
    port: u16,
    /// For a plain request, not a tunnel: what the server is sent.
    forward: Option<Vec<u8>>,
}

impl Request {
    fn parse(head: &[u8]) -> Option<Self> {
        let head = std::str::from_utf8(head).ok()?;
        let (line, headers) = head.split_once("\r\n")?;
        let mut words = line.split(' ');
        let (method, target, protocol) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || !protocol.starts_with("HTTP/1.") {
            return None;
        }
        if method == "CONNECT" {
            let (host, port) = authority_of(target, 443)?;
            return Some(Self { host, port, forward: None });
        }
        if !matches!(method, "GET" | "HEAD") || !target.starts_with("http://") {
            return None;
        }
        let (host, port) = host_of(target)?;
        let rest = target.strip_prefix("http://")?;
        let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
        let kept = headers.split("\r\n").filter(|header| {
            let name = header.split(':').next().unwrap_or_default().to_ascii_lowercase();
            !header.is_empty() && !name.starts_with("proxy-") && !matches!(name.as_str(), "connection" | "keep-alive")
        });
        let mut forward = format!("{method} {path} HTTP/1.1\r\n");
        for header in kept {
            forward.push_str(header);
            forward.push_str("\r\n");
        }
        // One request a connection: the next may be for another host.
        forward.push_str("Connection: close\r\n\r\n");
        Some(Self { host, port, forward: Some(forward.into_bytes()) })
    }
}

async fn open(request: &Request, gate: &Gate) -> std::io::Result<TcpStream> {
    let Some((host, port, credentials)) = gate.upstream.as_deref().and_then(upstream) else {
        return TcpStream::connect((request.host.as_str(), request.port)).await;
    };
    let mut server = TcpStream::connect((host.as_str(), port)).await?;
    let target = format!("{}:{}", request.host, request.port);
    let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(credentials) = credentials {
        head.push_str(&format!("Proxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(credentials)));
    }
    head.push_str("\r\n");
    server.write_all(head.as_bytes()).await?;
    // Byte by byte: what follows the head is the tunnel's.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() > HEAD_BYTES_MAX {
            return Err(std::io::Error::other("the machine's proxy does not answer as one"));
        }
        answer.push(server.read_u8().await?);
    }
    if answer.split(|byte| *byte == b' ').nth(1) == Some(b"200") {
        Ok(server)
    } else {
        Err(std::io::Error::other("the machine's proxy refused the connection"))
    }
}

/// Host, port and credentials of a proxy's URL.
fn upstream(url: &str) -> Option<(String, u16, Option<String>)> {
    let (host, port) = host_of(url)?;
    let authority = url.split_once("://")?.1.split('/').next()?;
    Some((host, port, authority.rsplit_once('@').map(|(credentials, _)| credentials.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_tunnels_and_plain_requests() {
        let tunnel = Request::parse(b"CONNECT PyPI.org:443 HTTP/1.1\r\nHost: evil\r\n\r\n").unwrap();
        assert_eq!(tunnel, Request { host: "pypi.org".into(), port: 443, forward: None });
        let head = b"GET http://m:81/simple/x/?a=b HTTP/1.1\r\nHost: m:81\r\nProxy-Connection: x\r\nConnection: keep-alive\r\nAccept: y\r\n\r\n";
        let plain = Request::parse(head).unwrap();
        assert_eq!((plain.host.as_str(), plain.port), ("m", 81));
        let forward = String::from_utf8(plain.forward.unwrap()).unwrap();
        assert_eq!(forward, "GET /simple/x/?a=b HTTP/1.1\r\nHost: m:81\r\nAccept: y\r\nConnection: close\r\n\r\n");
        for wrong in [
            "",
            "GET / HTTP/1.1\r\n\r\n",
            "POST http://m/ HTTP/1.1\r\n\r\n",
            "CONNECT a b c\r\n\r\n",
            "CONNECT :1 HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(Request::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn reads_the_machines_proxy() {
        assert_eq!(upstream("http://u:p@proxy:3128/"), Some(("proxy".into(), 3128, Some("u:p".into()))));
        assert_eq!(upstream("http://proxy"), Some(("proxy".into(), 80, None)));
    }
}
