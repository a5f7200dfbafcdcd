//! The real servers of the test bed start, answer and go away.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::{process::Command, time::Duration};

use portcullis_testkit::{
    bed::Bed,
    server::{HttpServer, Launch, StdioServer},
};
use rmcp::{ServiceExt, transport::StreamableHttpClientTransport};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

async fn check_stdio(launch: &Launch, name: &str, tool: &str) {
    let mut server = StdioServer::start(launch).unwrap();
    let initialized = server.initialize("2025-11-25").await.unwrap();
    assert_eq!(initialized["result"]["serverInfo"]["name"], name);
    let tools = server.request("tools/list", json!({})).await.unwrap();
    let tools = tools["result"]["tools"].as_array().unwrap();
    assert!(tools.iter().any(|listed| listed["name"] == tool), "{tools:?}");
}

#[tokio::test]
async fn everything_on_stdio() {
    check_stdio(&Launch::everything(&Bed::load().unwrap()), "mcp-servers/everything", "echo").await;
}

#[tokio::test]
async fn filesystem() {
    let directory = tempfile::tempdir().unwrap();
    let launch = Launch::filesystem(&Bed::load().unwrap(), directory.path());
    check_stdio(&launch, "secure-filesystem-server", "read_text_file").await;
}

#[tokio::test]
async fn memory() {
    let directory = tempfile::tempdir().unwrap();
    let launch = Launch::memory(&Bed::load().unwrap(), &directory.path().join("graph.json"));
    check_stdio(&launch, "memory-server", "read_graph").await;
}

#[tokio::test]
async fn git() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Command::new("git").args(["init", "--quiet"]).arg(directory.path()).status().unwrap().success());
    check_stdio(&Launch::git(&Bed::load().unwrap(), directory.path()), "mcp-git", "git_status").await;
}

#[tokio::test]
async fn time() {
    check_stdio(&Launch::time(&Bed::load().unwrap()), "mcp-time", "get_current_time").await;
}

#[tokio::test]
async fn everything_on_streamable_http() {
    let server = HttpServer::everything(&Bed::load().unwrap()).await.unwrap();
    let client = ().serve(StreamableHttpClientTransport::from_uri(server.url())).await.unwrap();
    assert!(client.list_all_tools().await.unwrap().iter().any(|tool| tool.name == "echo"));
}

#[tokio::test]
async fn everything_on_sse_names_its_message_endpoint() {
    let server = HttpServer::everything_sse(&Bed::load().unwrap()).await.unwrap();
    let mut stream = TcpStream::connect(address(server.url())).await.unwrap();
    stream
        .write_all(b"GET /sse HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
        .await
        .unwrap();
    let mut head = String::new();
    while !head.contains("/message?sessionId=") {
        let mut part = [0; 1024];
        let read = timeout(Duration::from_secs(10), stream.read(&mut part)).await.unwrap().unwrap();
        assert_ne!(read, 0, "{head}");
        head.push_str(std::str::from_utf8(&part[..read]).unwrap());
    }
    assert!(head.contains("event: endpoint"), "{head}");
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let server = HttpServer::everything(&Bed::load().unwrap()).await.unwrap();
    let address = address(server.url()).to_owned();
    TcpStream::connect(&address).await.unwrap();
    drop(server);
    // The drop waits for the process, so only the kernel's own bookkeeping may lag.
    let gone = async {
        while TcpStream::connect(&address).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(5), gone).await.unwrap();
}

/// `host:port` of a URL.
fn address(url: &str) -> &str {
    url.strip_prefix("http://").unwrap().split('/').next().unwrap()
}
