//! Where a log is published.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use tokio::time::timeout;

use crate::{
    config::read_private,
    exit::{Exit, Failure},
    files::{self, Access, Existing},
    post::{self, Client, root_cause},
};

/// Longest one file may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a signed request is good for.
const SIGNED_FOR: Duration = Duration::from_secs(300);
/// Longest checkpoint that is read back.
const CHECKPOINT_BYTES: usize = 256 * 1_024;

/// A place for files by their path below it.
pub(super) enum Target {
    Directory(PathBuf),
    Web { client: Client, base: String, token: Option<HeaderValue> },
    S3 { client: Client, bucket: Box<Bucket>, prefix: String, credentials: Box<Credentials> },
}

impl Target {
    pub(super) fn at(
        to: &str,
        endpoint: Option<&str>,
        region: &str,
        credentials: Option<&Path>,
    ) -> Result<Self, Failure> {
        let secret = credentials
            .map(|path| read_private(path).map_err(|error| usage(&format!("`--credentials`: {error}"))))
            .transpose()?
            .map(|secret| String::from_utf8_lossy(secret.expose()).into_owned());
        let client = |tls: bool| post::client(tls, None, false).map_err(|what| usage(&what));
        if let Some(rest) = to.strip_prefix("s3://") {
            let endpoint =
                endpoint.ok_or_else(|| usage("`--to s3://…` needs the store's URL in `--endpoint`"))?;
            let url = url::Url::parse(endpoint).map_err(|error| usage(&format!("`--endpoint`: {error}")))?;
            let tls = url.scheme() == "https";
            let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let bucket = Bucket::new(url, UrlStyle::Path, name.to_owned(), region.to_owned());
            let bucket = bucket.map_err(|error| usage(&format!("`--to`: {error}")))?;
            let secret =
                secret.ok_or_else(|| usage("`--to s3://…` needs an access key in `--credentials`"))?;
            let mut lines = secret.lines();
            let (Some(id), Some(key)) = (lines.next(), lines.next()) else {
                return Err(usage(
                    "`--credentials` has to have the access key id and its secret, a line each",
                ));
            };
            let credentials = Credentials::new(id.trim(), key.trim());
            let prefix = prefix.trim_matches('/').to_owned();
            return Ok(Self::S3 {
                client: client(tls)?,
                bucket: Box::new(bucket),
                prefix,
                credentials: Box::new(credentials),
            });
        }
        if to.starts_with("http://") || to.starts_with("https://") {
            let token =
                secret.map(|token| HeaderValue::try_from(format!("Bearer {}", token.trim()))).transpose();
            let mut token =
                token.map_err(|_| usage("`--credentials` has characters that no header may have"))?;
            token.iter_mut().for_each(|token| token.set_sensitive(true));
            let client = client(to.starts_with("https://"))?;
            return Ok(Self::Web { client, base: to.trim_end_matches('/').to_owned(), token });
        }
        match to.contains("://") {
            true => Err(usage(&format!("`--to {to}` is no directory, `http`, `https` or `s3` URL"))),
            false => Ok(Self::Directory(to.into())),
        }
    }

    pub(super) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        if let Self::Directory(directory) = self {
            let place = directory.join(path);
            let above = place.parent().unwrap_or(directory);
            fs::create_dir_all(above).map_err(|error| unreachable(path, &error.to_string()))?;
            return files::write(&place, &bytes, Access::Usual, Existing::Replace);
        }
        let (status, _) = self.ask(Method::PUT, path, bytes.into()).await?;
        if status.is_success() { Ok(()) } else { Err(unreachable(path, &format!("it answered {status}"))) }
    }

    /// The contents of a file; none when there is no such.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Bytes>, Failure> {
        if let Self::Directory(directory) = self {
            return match fs::read(directory.join(path)) {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(unreachable(path, &error.to_string())),
            };
        }
        match self.ask(Method::GET, path, Bytes::new()).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, bytes) if status.is_success() => Ok(Some(bytes)),
            (status, _) => Err(unreachable(path, &format!("it answered {status}"))),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), Failure> {
        let (client, url, token) = match self {
            Self::Directory(_) => return Err(unreachable(path, "a directory is not asked")),
            Self::Web { client, base, token } => (client, format!("{base}/{path}"), token.clone()),
            Self::S3 { client, bucket, prefix, credentials } => {
                let object = if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") };
                let url = match method {
                    Method::PUT => bucket.put_object(Some(credentials), &object).sign(SIGNED_FOR),
                    _ => bucket.get_object(Some(credentials), &object).sign(SIGNED_FOR),
                };
                (client, url.to_string(), None)
            }
        };
        let url: Uri = url.parse().map_err(|_| usage("`--to` is no URL"))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = url;
        request.headers_mut().extend(token.map(|token| (header::AUTHORIZATION, token)));
        let asking = async {
            let response = client.request(request).await.map_err(|error| root_cause(&error))?;
            let status = response.status();
            Ok::<_, String>((status, post::whole(response.into_body(), CHECKPOINT_BYTES).await?))
        };
        let answered = timeout(PATIENCE, asking).await;
        let answered = answered.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
        answered.map_err(|what| unreachable(path, &what))
    }
}

fn usage(what: &str) -> Failure {
    Failure::new(Exit::Usage, what.to_owned())
}

fn unreachable(path: &str, what: &str) -> Failure {
    Failure::new(Exit::Unreachable, format!("`{path}` could not be published: {what}"))
        .remedy("it is tried again with the next look; check `--to`, `--endpoint` and `--credentials`")
}
