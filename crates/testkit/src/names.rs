//! A name server on loopback that says what a test wants it to say.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType},
};
use tokio::{net::UdpSocket, task::JoinHandle};

/// A running name server. Its answers are good for no time at all.
pub struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl NameServer {
    /// A server for `zone`: names, and their answers in turn. The last one stays.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(zone: &[(&str, &[&[&str]])]) -> io::Result<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|it| it.parse().expect("an address")).collect();
        let zone =
            zone.iter().map(|(name, answers)| ((*name).to_owned(), answers.iter().map(parse).collect()));
        let mut zone: HashMap<String, VecDeque<Vec<IpAddr>>> = zone.collect();
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 1_500];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
                let answer = answer(&question, &mut zone, &heard);
                let _ = socket.send_to(&answer, client).await;
            }
        });
        Ok(Self { address, asked, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every name it was asked for, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic under the lock").clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(
    question: &Message,
    zone: &mut HashMap<String, VecDeque<Vec<IpAddr>>>,
    asked: &Mutex<Vec<String>>,
) -> Vec<u8> {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.authoritative = true;
    let query = question.queries.first().cloned().unwrap_or_default();
    answer.add_query(query.clone());
    let name = query.name().to_ascii().trim_end_matches('.').to_lowercase();
    asked.lock().expect("no panic under the lock").push(name.clone());
    match zone.get_mut(&name) {
        None => answer.metadata.response_code = ResponseCode::NXDomain,
        Some(answers) => {
            let addresses = answers.front().cloned().unwrap_or_default();
            for address in addresses {
                let data = match (address, query.query_type()) {
                    (IpAddr::V4(address), RecordType::A) => RData::A(address.into()),
                    (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(address.into()),
                    _ => continue,
                };
                answer.add_answer(Record::from_rdata(query.name().clone(), 0, data));
            }
            // A client asks for both kinds of address each time.
            if query.query_type() == RecordType::A && answers.len() > 1 {
                answers.pop_front();
            }
        }
    }
    answer.to_vec().expect("an answer of our own making")
}
