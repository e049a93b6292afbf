//! A small load generator: keep-alive connections that send one request after another.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// Sends `request` over `connections` for `time`. Returns requests a second and each latency in milliseconds.
pub(crate) async fn run(url: &str, request: String, connections: usize, time: Duration) -> Result<(f64, Vec<f64>)> {
    let address = url.strip_prefix("http://").context("an http URL")?.to_owned();
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for _ in 0..connections {
        let (address, request) = (address.clone(), request.clone());
        tasks.spawn(async move { connection(&address, request.as_bytes(), time).await });
    }
    let mut latencies = Vec::new();
    while let Some(one) = tasks.join_next().await {
        latencies.extend(one??);
    }
    Ok((latencies.len() as f64 / began.elapsed().as_secs_f64(), latencies))
}

async fn connection(address: &str, request: &[u8], time: Duration) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 20];
    let mut latencies = Vec::new();
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        let sent = Instant::now();
        stream.write_all(request).await?;
        read_response(&mut stream, &mut buffer).await?;
        latencies.push(sent.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(latencies)
}

async fn read_response(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the server closed the connection");
        filled += read;
        let Some(end) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
        ensure!(head.starts_with("http/1.1 200"), "the server answered {head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("a length")?;
        if filled >= end + 4 + length.trim().parse::<usize>()? {
            return Ok(());
        }
    }
}
