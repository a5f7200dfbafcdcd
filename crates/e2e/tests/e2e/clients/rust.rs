//! The `rmcp` crate as a client.

use futures_util::{StreamExt, stream};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient,
    model::{
        CallToolRequestParams, ContentBlock, GetPromptRequestParams, ProtocolVersion,
        ReadResourceRequestParams, ResourceContents,
    },
    service::RunningService,
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use serde_json::Value;
use tokio::process::Command;

use super::plan::{Called, Item, Seen, Target};
use crate::message::MODERN;

type Running = RunningService<RoleClient, ()>;
type Failure = Box<dyn std::error::Error>;

/// As many at a time as the other clients.
const CONCURRENT: usize = 4;

/// Does the plan and reports.
pub(super) async fn visit_all(targets: &[Target], version: &str) -> Vec<Seen> {
    let visits = targets.iter().map(|target| async {
        let mut seen = Seen { target: target.name.clone(), ..Seen::default() };
        if let Err(error) = visit(target, version, &mut seen).await {
            seen.error = Some(format!("{error} ({error:?})"));
        }
        seen
    });
    stream::iter(visits).buffer_unordered(CONCURRENT).collect().await
}

async fn visit(target: &Target, version: &str, seen: &mut Seen) -> Result<(), Failure> {
    let client = connect(target, version).await?;
    seen.version = client.peer_info().map(|info| info.protocol_version.to_string());
    if target.list {
        seen.tools = client.list_all_tools().await?.into_iter().map(|tool| tool.name.into_owned()).collect();
    }
    for Item { name, arguments } in &target.calls {
        let params = CallToolRequestParams::new(name.clone()).with_arguments(object(arguments));
        let result = client.call_tool(params).await?;
        seen.calls.push(Called { text: text(&result.content), failed: result.is_error == Some(true) });
    }
    for uri in &target.reads {
        let result = client.read_resource(ReadResourceRequestParams::new(uri.clone())).await?;
        seen.reads.extend(result.contents.into_iter().filter_map(|contents| match contents {
            ResourceContents::TextResourceContents { text, .. } => Some(text),
            _ => None,
        }));
        let listed = client.list_all_resources().await?;
        seen.resources = listed.into_iter().map(|resource| resource.uri.clone()).collect();
    }
    for Item { name, arguments } in &target.prompts {
        let params = GetPromptRequestParams::new(name.clone()).with_arguments(object(arguments));
        let result = client.get_prompt(params).await?;
        let blocks: Vec<_> = result.messages.into_iter().map(|message| message.content).collect();
        seen.got.push(text(&blocks));
        seen.prompts = client.list_all_prompts().await?.into_iter().map(|prompt| prompt.name).collect();
    }
    client.cancel().await?;
    Ok(())
}

async fn connect(target: &Target, version: &str) -> Result<Running, Failure> {
    let mode = if version == MODERN {
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
    } else {
        ClientLifecycleMode::Initialize
    };
    Ok(match (&target.url, &target.command) {
        (Some(url), _) => {
            ().serve_with_lifecycle(StreamableHttpClientTransport::from_uri(url.as_str()), mode).await?
        }
        (None, Some(program)) => {
            let mut command = Command::new(program);
            command.args(&target.args).envs(&target.env);
            ().serve_with_lifecycle(TokioChildProcess::new(command)?, mode).await?
        }
        (None, None) => return Err("neither a URL nor a command".into()),
    })
}

fn object(arguments: &Value) -> serde_json::Map<String, Value> {
    arguments.as_object().cloned().unwrap_or_default()
}

fn text(blocks: &[ContentBlock]) -> String {
    let texts = blocks.iter().filter_map(|block| block.as_text()).map(|block| block.text.clone());
    texts.collect::<Vec<_>>().join("\n")
}
