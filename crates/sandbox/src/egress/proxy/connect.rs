//! `CONNECT`.

use hyper::{Request, body::Incoming, upgrade};

use super::{
    super::{Denial, Gate, Way},
    Waiting, head,
};

/// Opens the connection a tunnel is asked for.
pub(super) async fn connect(gate: &Gate, request: Request<Incoming>) -> Result<Waiting, Denial> {
    let asked = request.uri().authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let sound =
        head::check_no_body(request.headers()).and_then(|()| head::check_host(request.headers(), &asked));
    sound.map_err(|denial| gate.refuse(Way::Connect, &asked, denial))?;
    let passage = gate.open(Way::Connect, &asked).await?;
    Ok(Waiting { upgrade: upgrade::on(request), passage })
}
