//! A browser without a screen: it keeps cookies, follows redirects and fills in forms, over plain HTTP on this machine.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// Most pages on the way to one.
const PAGES: usize = 20;
/// Longest wait for a page or a line.
const PATIENCE: Duration = Duration::from_secs(60);

/// Cookies by host and port, and what the page that is shown wants said about it.
#[derive(Debug, Default)]
pub struct Browser {
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    /// The `referrer-policy` of the last page.
    policy: Option<String>,
}

/// A page that was seen.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case; of two of a name the last.
    pub headers: BTreeMap<String, String>,
    /// Everything else.
    pub body: String,
}

impl Browser {
    /// Opens a page and goes where it leads by itself.
    ///
    /// # Errors
    /// When nobody answers, or there is no end to it.
    pub async fn open(&mut self, url: &str) -> io::Result<Page> {
        let first = self.send("GET", url, None).await?;
        self.follow(first).await
    }

    /// Sends a form and goes where that leads.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub async fn submit(&mut self, url: &str, form: &[(&str, &str)]) -> io::Result<Page> {
        let fields: Vec<_> =
            form.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let first = self.send("POST", url, Some(&fields.join("&"))).await?;
        self.follow(first).await
    }

    /// Logs in and agrees wherever the authorization server of the test bed asks, until it asks no more.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub async fn agree(&mut self, url: &str, login: &str) -> io::Result<Page> {
        let mut page = self.open(url).await?;
        for _ in 0..PAGES {
            let Some(action) = between(&page.body, "action=\"", "\"").filter(|_| page.status == 200) else {
                break;
            };
            let Some(prompt) = between(&page.body, "name=\"prompt\" value=\"", "\"") else { break };
            let action = absolute(&page.url, &action);
            page = match prompt.as_str() {
                "login" => {
                    self.submit(&action, &[("prompt", "login"), ("login", login), ("password", "any")])
                        .await?
                }
                _ => self.submit(&action, &[("prompt", &prompt)]).await?,
            };
        }
        Ok(page)
    }

    async fn follow(&mut self, mut page: Page) -> io::Result<Page> {
        for _ in 0..PAGES {
            let Some(next) = page.headers.get("location").filter(|_| (300..400).contains(&page.status))
            else {
                return Ok(page);
            };
            let next = absolute(&page.url, next);
            page = self.send("GET", &next, None).await?;
        }
        Err(io::Error::other("there is no end to the redirects"))
    }

    /// One request, and its answer as it is.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn send(&mut self, method: &str, url: &str, form: Option<&str>) -> io::Result<Page> {
        let (host, path) = parts(url)?;
        let cookies: Vec<_> = self
            .cookies
            .get(&host)
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let body = form.unwrap_or_default();
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        if !cookies.is_empty() {
            request += &format!("Cookie: {}\r\n", cookies.join("; "));
        }
        if form.is_some() {
            // Fetch standard, "append a request `Origin` header".
            let origin = match self.policy.as_deref() {
                Some("no-referrer") => "null".to_owned(),
                _ => format!("http://{host}"),
            };
            request += &format!(
                "Origin: {origin}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        let asking = async {
            let mut stream = TcpStream::connect(&host).await?;
            stream.write_all(format!("{request}\r\n{body}").as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = timeout(PATIENCE, asking).await.map_err(io::Error::other)??;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
        let mut page =
            Page { url: url.to_owned(), status: 0, headers: BTreeMap::new(), body: body.to_owned() };
        for (at, line) in head.split("\r\n").enumerate() {
            match line.split_once(':') {
                Some((name, value)) if at > 0 => self.learn(&host, &mut page, name, value.trim()),
                _ => page.status = line.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0),
            }
        }
        self.policy = page.headers.get("referrer-policy").cloned();
        Ok(page)
    }

    fn learn(&mut self, host: &str, page: &mut Page, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        if name == "set-cookie"
            && let Some((cookie, content)) = value.split(';').next().and_then(|it| it.split_once('='))
        {
            let jar = self.cookies.entry(host.to_owned()).or_default();
            match content {
                "" => drop(jar.remove(cookie)),
                _ => drop(jar.insert(cookie.to_owned(), content.to_owned())),
            }
        }
        page.headers.insert(name, value.to_owned());
    }
}

/// What stands between two texts.
#[must_use]
pub fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found.replace("&amp;", "&"))
}

fn parts(url: &str) -> io::Result<(String, String)> {
    let rest =
        url.strip_prefix("http://").ok_or_else(|| io::Error::other(format!("`{url}` is not plain HTTP")))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((host.to_owned(), format!("/{}", path.split('#').next().unwrap_or_default())))
}

fn absolute(page: &str, link: &str) -> String {
    match (link.starts_with('/'), parts(page)) {
        (true, Ok((host, _))) => format!("http://{host}{link}"),
        _ => link.to_owned(),
    }
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// A `portcullis login` that waits for the browser.
pub struct Login {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    page: Value,
}

impl Login {
    /// Starts one; it has said which page to open when this returns.
    ///
    /// # Errors
    /// When it ends before, with what it said.
    pub async fn start(program: &Path, config: &Path, home: &Path, server: &str) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["login", server, "--json", "--config"]).arg(config).env("HOME", home);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        let mut lines = BufReader::new(output).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.map_err(io::Error::other)??;
        match line {
            Some(line) => Ok(Self { child, lines, page: serde_json::from_str(&line)? }),
            None => {
                let ended = child.wait_with_output().await?;
                Err(io::Error::other(String::from_utf8_lossy(&ended.stderr).into_owned()))
            }
        }
    }

    /// What it said: `authorization_url`, `issuer`, `scopes`.
    #[must_use]
    pub fn page(&self) -> &Value {
        &self.page
    }

    /// The page to open.
    #[must_use]
    pub fn url(&self) -> &str {
        self.page.get("authorization_url").and_then(Value::as_str).unwrap_or_default()
    }

    /// How it ended: its status, and the result or what it said on standard error.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn end(mut self) -> io::Result<(ExitStatus, Result<Value, String>)> {
        let line = timeout(PATIENCE, self.lines.next_line()).await.map_err(io::Error::other)??;
        let ended = timeout(PATIENCE, self.child.wait_with_output()).await.map_err(io::Error::other)??;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        Ok((
            ended.status,
            line.map_or(Err(said), |line| serde_json::from_str(&line).map_err(|it| it.to_string())),
        ))
    }
}
