//! One handshake, listing and call per target, shown.

use crate::{
    mcp::Client,
    options::{Target, Work},
};

pub(crate) async fn run(targets: &[Target]) -> Result<(), String> {
    let mut failed = Vec::new();
    for target in targets {
        println!("== {} {} ({})", target.name, target.url, target.proto);
        let works = show(target).await.unwrap_or_else(|e| {
            println!("   {e}");
            false
        });
        if !works {
            failed.push(target.name.clone());
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("not working: {}", failed.join(", "))) }
}

async fn show(target: &Target) -> Result<bool, String> {
    let work = Work::small_call();
    let mut client = Client::connect(target, &work).await?;
    for method in ["server/discover", "tools/list", "tools/call"] {
        match client.ask(method, &work).await {
            Ok((status, body)) => println!("   {method}: {status} {body}"),
            Err(e) => println!("   {e}"),
        }
    }
    let ok = matches!(client.call().await, Ok(true));
    println!("   measured call: {}", if ok { "ok" } else { "FAILED" });
    client.close().await;
    Ok(ok)
}
