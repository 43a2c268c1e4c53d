//! Those who listen.

use std::{
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::Value;
use tungstenite::{
    Error, Message, WebSocket,
    client::client_with_config,
    handshake::HandshakeError,
    http::Request,
    protocol::{CloseFrame, WebSocketConfig},
};

use crate::service::Service;

/// How long something may take that is to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// One that listens by WebSocket.
pub(crate) struct Socket {
    socket: WebSocket<TcpStream>,
}

impl Socket {
    pub(crate) fn open(service: &Service, path: &str) -> Self {
        Self::from_page(service, path, None).unwrap()
    }

    /// As a page of `origin` would do; else the status that it is refused with.
    pub(crate) fn from_page(
        service: &Service,
        path: &str,
        origin: Option<&str>,
    ) -> Result<Self, (u16, Value)> {
        let stream = TcpStream::connect(&service.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = Request::get(format!("ws://{}{path}", service.address))
            .header("Host", &service.address)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", tungstenite::handshake::client::generate_key());
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        let config = WebSocketConfig::default();
        match client_with_config(request.body(()).unwrap(), stream, Some(config)) {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                let body = response.body().clone().unwrap_or_default();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                Err((response.status().as_u16(), body))
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.send(Message::text(text));
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.socket.send(message).unwrap();
    }

    /// The next text.
    pub(crate) fn text(&mut self) -> String {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return text.as_str().to_owned();
            }
        }
    }

    /// The next events.
    pub(crate) fn events(&mut self, count: usize) -> Vec<Value> {
        (0..count).map(|_| serde_json::from_str(&self.text()).unwrap()).collect()
    }

    /// Project and number of the next events.
    pub(crate) fn numbers(&mut self, count: usize) -> Vec<(i64, i64)> {
        let number = |event: &Value, key: &str| event[key].as_i64().unwrap();
        let events = self.events(count);
        events.iter().map(|event| (number(event, "project_id"), number(event, "number"))).collect()
    }

    /// Whether nothing comes for `time`.
    pub(crate) fn is_silent(&mut self, time: Duration) -> bool {
        self.socket.get_ref().set_read_timeout(Some(time)).unwrap();
        let result = self.socket.read();
        self.socket.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        match result {
            Err(Error::Io(error)) => {
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Whether the connection ends within `time`.
    pub(crate) fn ends_within(mut self, time: Duration) -> bool {
        self.socket.get_ref().set_read_timeout(Some(time)).unwrap();
        loop {
            match self.socket.read() {
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => return true,
            }
        }
    }

    /// What comes until the other side closes, and how it does.
    pub(crate) fn rest(mut self) -> (usize, Option<CloseFrame>) {
        let mut texts = 0;
        loop {
            match self.socket.read() {
                Ok(Message::Close(frame)) => {
                    // Answers the goodbye.
                    while self.socket.read().is_ok() {}
                    return (texts, frame);
                }
                Ok(Message::Text(_)) => texts += 1,
                Ok(_) => {}
                Err(error) => panic!("after {texts} texts: {error}"),
            }
        }
    }
}

/// An event of a stream.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// One that listens by server-sent events.
pub(crate) struct Stream {
    lines: BufReader<TcpStream>,
    pub(crate) head: String,
}

impl Stream {
    /// The events of project `id`; `query` and `last` say from where.
    pub(crate) fn open(service: &Service, id: i32, query: &str, last: Option<i64>) -> Self {
        let last = last.map_or_else(String::new, |last| format!("Last-Event-ID: {last}\r\n"));
        let mut stream = TcpStream::connect(&service.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Without chunks, as it is for an old proxy.
        let request = format!(
            "GET /api/v1/projects/{id}/events{query} HTTP/1.0\r\nHost: localhost\r\n{last}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "{head}");
        }
        Self { lines, head }
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Event {
        let (mut id, mut name, mut data) = (None, String::new(), None);
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the stream ended");
            let line = line.trim_end();
            match line.split_once(": ").or_else(|| line.split_once(':')) {
                Some(("id", value)) => id = Some(value.parse().unwrap()),
                Some(("event", value)) => value.clone_into(&mut name),
                Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
                // The end of an event, which may have been a comment alone.
                None => {
                    if let (Some(id), Some(data)) = (id.take(), data.take()) {
                        return Event { id, name, data };
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// The numbers of the next events.
    pub(crate) fn numbers(&mut self, count: usize) -> Vec<i64> {
        (0..count).map(|_| self.event().id).collect()
    }

    /// What comes until the end.
    pub(crate) fn rest(mut self) -> String {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// Waits until `true`.
pub(crate) fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
