//! The client that the conformance suite tests: `conformance-client [--gateway PROGRAM] URL`.
//!
//! Without knowing any scenario it does all that a server offers: lists tools and calls each, reads a resource,
//! gets a prompt, answers what it is asked. With `--gateway`, Portcullis stands in between, so that what reaches
//! the suite's server is what Portcullis sends.

use std::{env, path::PathBuf, process::ExitCode};

use clap::Parser;
use portcullis_testkit::{
    browser::Browser,
    gateway::{Gateway, Setup},
};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
        ElicitationAction, GetPromptRequestParams, ProtocolVersion, ReadResourceRequestParams,
    },
    service::{RequestContext, RunningService},
    transport::StreamableHttpClientTransport,
};
use serde_json::{Map, Value, json};

type Failure = Box<dyn std::error::Error>;
type Object = Map<String, Value>;

/// A client for the conformance suite.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Put this program in between.
    #[arg(long, value_name = "PROGRAM")]
    gateway: Option<PathBuf>,
    /// The suite's server.
    url: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            note("failed", &failure);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let is_authorized =
        env::var("MCP_CONFORMANCE_SCENARIO").is_ok_and(|scenario| scenario.starts_with("auth/"));
    let gateway = match &arguments.gateway {
        Some(program) => {
            let setup = Setup::new().http("suite", &arguments.url).program(program);
            let setup = if is_authorized { with_credential(setup, &arguments.url).await } else { setup };
            Some(setup.start().await?)
        }
        None => None,
    };
    let url = gateway.as_ref().map_or(arguments.url, |gateway| gateway.url_of("suite"));
    let outcome = match &gateway {
        Some(gateway) if is_authorized => agree_and_visit(gateway, &url).await,
        _ => visit(&url).await.map(drop),
    };
    if let Some(gateway) = gateway {
        report(gateway).await;
    }
    outcome
}

/// Shows what the gateway refused: the suite keeps it beside its checks.
async fn report(gateway: Gateway) {
    for record in gateway.records().into_iter().flatten().filter(|record| !record.refused().is_empty()) {
        note("refused", record.value());
    }
    // What it recorded has been read, and the status of the suite is that of its checks.
    let _ = gateway.stop().await;
}

/// How often a person agrees before giving up.
const PATIENCE: usize = 4;

/// What the scenario gives a client, in the gateway's words.
async fn with_credential(setup: Setup, url: &str) -> Setup {
    let context = context();
    let text = |name: &str| context.get(name).and_then(Value::as_str);
    let mut credential = "[credential.suite]\nmode = \"authorization-code\"\n\
        client_document = \"https://conformance-test.local/client-metadata.json\"\n"
        .to_owned();
    if let (Some(id), Some(secret)) = (text("client_id"), text("client_secret")) {
        let issuer = issuer_of(url).await.unwrap_or_default();
        credential += &format!(
            "issuer = {}\nclient_id = {}\nclient_secret = {{ danger_inline = {} }}\n",
            json!(issuer),
            json!(id),
            json!(secret)
        );
    }
    setup.with("credential = \"suite\"").sections(&credential)
}

/// Whom an operator would read in the server's description.
async fn issuer_of(url: &str) -> Option<String> {
    let mut browser = Browser::default();
    let origin = url.trim_end_matches("/mcp");
    for place in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let page = browser.send("GET", &format!("{origin}{place}"), None).await.ok()?;
        let start = page.body.find('{')?;
        let end = page.body.rfind('}')?;
        let body: Value = serde_json::from_str(page.body.get(start..=end)?).unwrap_or_default();
        if let Some(issuer) = body.pointer("/authorization_servers/0").and_then(Value::as_str) {
            return Some(issuer.to_owned());
        }
    }
    None
}

/// As a person would: agree when asked to, and try again.
async fn agree_and_visit(gateway: &Gateway, url: &str) -> Result<(), Failure> {
    for _ in 0..PATIENCE {
        let outcome = visit(url).await;
        let asked = match &outcome {
            Ok(said) => said.contains("portcullis login"),
            Err(failure) => failure.to_string().contains("portcullis login"),
        };
        if !asked {
            return outcome.map(drop);
        }
        let login = gateway.login("suite").await?;
        note("page", login.page());
        Browser::default().open(login.url()).await?;
        let (status, said) = login.end().await?;
        note("login", format!("{status} {said:?}"));
        if !status.success() {
            return Err("the login failed".into());
        }
    }
    Err("there is no end to what is to be agreed to".into())
}

fn context() -> Value {
    serde_json::from_str(&env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_default()).unwrap_or_default()
}

/// Does all there is to do, and returns what went wrong with single calls.
async fn visit(url: &str) -> Result<String, Failure> {
    let modern = env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").is_ok_and(|version| version == "2026-07-28");
    let mode = if modern {
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
    } else {
        ClientLifecycleMode::Initialize
    };
    let transport = StreamableHttpClientTransport::from_uri(url);
    let client = Obliging.serve_with_lifecycle(transport, mode).await?;
    let mut said = String::new();
    for (tool, arguments) in calls(&client).await? {
        let params = CallToolRequestParams::new(tool.clone()).with_arguments(arguments);
        match client.call_tool(params).await {
            Ok(result) => note(&tool, json!(result.content)),
            Err(error) => {
                said += &error.to_string();
                note(&tool, error);
            }
        }
    }
    read_and_prompt(&client).await?;
    client.cancel().await?;
    Ok(said)
}

/// The calls that the scenario prescribes, else one of each tool.
async fn calls(client: &RunningService<RoleClient, Obliging>) -> Result<Vec<(String, Object)>, Failure> {
    let tools = client.list_all_tools().await?;
    if let Some(prescribed) = context().get("toolCalls").and_then(Value::as_array) {
        let call = |call: &Value| {
            let name = call.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            (name, call.get("arguments").and_then(Value::as_object).cloned().unwrap_or_default())
        };
        return Ok(prescribed.iter().map(call).collect());
    }
    Ok(tools.into_iter().map(|tool| (tool.name.into_owned(), example(&tool.input_schema))).collect())
}

async fn read_and_prompt(client: &RunningService<RoleClient, Obliging>) -> Result<(), Failure> {
    let Some(offered) = client.peer_info().map(|info| info.capabilities.clone()) else { return Ok(()) };
    if offered.resources.is_some() {
        for resource in client.list_all_resources().await?.into_iter().take(1) {
            client.read_resource(ReadResourceRequestParams::new(resource.uri.clone())).await?;
        }
    }
    if offered.prompts.is_some() {
        for prompt in client.list_all_prompts().await?.into_iter().take(1) {
            client.get_prompt(GetPromptRequestParams::new(prompt.name)).await?;
        }
    }
    Ok(())
}

/// Arguments that a schema asks for.
fn example(schema: &Object) -> Object {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let value =
        |name: &str| match properties.and_then(|it| it.get(name)).and_then(|it| it.get("type")?.as_str()) {
            Some("number" | "integer") => json!(2),
            Some("boolean") => json!(true),
            Some("array") => json!([]),
            Some("object") => json!({}),
            Some("null") => Value::Null,
            _ => json!("text"),
        };
    required.map(|name| (name.to_owned(), value(name))).collect()
}

/// A client whose user accepts whatever is suggested.
struct Obliging;

impl ClientHandler for Obliging {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().build();
        let mut config = ClientConfig::default();
        config.capabilities = capabilities;
        config
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let asked = serde_json::to_value(request).unwrap_or_default();
        let properties =
            asked.pointer("/requestedSchema/properties").and_then(Value::as_object).into_iter().flatten();
        let answers = properties.map(|(name, schema)| {
            let value = schema
                .get("default")
                .cloned()
                .unwrap_or_else(|| json!(schema.get("type") == Some(&json!("boolean"))));
            (name.clone(), value)
        });
        let content = Value::Object(answers.collect());
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
    }
}

fn note(what: &str, value: impl std::fmt::Display) {
    use std::io::Write as _;
    // Nobody has to read it.
    let _ = writeln!(std::io::stderr(), "{what}: {value}");
}
