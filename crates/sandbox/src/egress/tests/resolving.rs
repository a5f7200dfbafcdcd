//! The resolver against a name server of the test's making.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType},
};
use portcullis_core::DomainName;
use tokio::{net::UdpSocket, task::AbortHandle};

use super::{super::*, world::soon};

struct NameServer {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Authoritative for a few names; their addresses are good for no time at all.
async fn name_server(zone: &[(&str, &[&str])]) -> NameServer {
    let zone: HashMap<String, Vec<IpAddr>> = zone
        .iter()
        .map(|(name, addresses)| {
            (format!("{name}."), addresses.iter().map(|text| text.parse().unwrap()).collect())
        })
        .collect();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let task = tokio::spawn(async move {
        let mut buffer = vec![0; 1_500];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = answer(&Message::from_vec(&buffer[..length]).unwrap(), &zone);
            socket.send_to(&answer, client).await.unwrap();
        }
    });
    NameServer { address, asked, task: task.abort_handle() }
}

fn answer(question: &Message, zone: &HashMap<String, Vec<IpAddr>>) -> Vec<u8> {
    let query = question.queries[0].clone();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.authoritative = true;
    answer.add_query(query.clone());
    match zone.get(&query.name().to_ascii().to_lowercase()) {
        None => answer.metadata.response_code = ResponseCode::NXDomain,
        Some(addresses) => addresses.iter().for_each(|address| {
            let data = match (address, query.query_type()) {
                (IpAddr::V4(it), RecordType::A) => RData::A((*it).into()),
                (IpAddr::V6(it), RecordType::AAAA) => RData::AAAA((*it).into()),
                _ => return,
            };
            answer.add_answer(Record::from_rdata(query.name().clone(), 0, data));
        }),
    }
    answer.to_vec().unwrap()
}

#[tokio::test]
async fn both_families_are_asked_each_time() {
    let zone: &[(&str, &[&str])] = &[
        ("both.test", &["192.0.2.1", "2001:db8::1", "192.0.2.2"]),
        ("four.test", &["192.0.2.1"]),
        ("six.test", &["::1"]),
        ("empty.test", &[]),
    ];
    let server = name_server(zone).await;
    let dns = Dns::asking(&[server.address]).unwrap();
    for (name, expected) in zone.iter().chain([&("absent.test", &[][..])]) {
        let before = server.asked.load(Ordering::SeqCst);
        let name = DomainName::parse(name).unwrap();
        let found = soon(dns.lookup(&name)).await;
        let mut expected: Vec<IpAddr> = expected.iter().map(|text| text.parse().unwrap()).collect();
        expected.sort();
        match found {
            Ok(mut found) => {
                found.sort();
                assert_eq!(found, expected, "{name}");
            }
            Err(LookupFault::NoAddress(_)) => assert!(expected.is_empty(), "{name}"),
            Err(fault) => panic!("{name}: {fault}"),
        }
        assert!(server.asked.load(Ordering::SeqCst) >= before + 2, "{name}: A and AAAA");
    }
}
