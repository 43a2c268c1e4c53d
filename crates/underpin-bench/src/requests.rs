//! Requests per second about one project, and about one of many that are all open.

use std::{net::SocketAddr, path::Path, time::Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use underpin_testkit::{Dialect, TestDb};

use crate::{report, service};

/// Connections that ask at the same time, each one request after the other.
const CLIENTS: usize = 4;
/// A number without a common divisor visits all projects in an order that looks like none.
const STRIDE: usize = 7_919;

/// What is asked of the service.
#[derive(Debug, Clone, Copy)]
enum What {
    GetTask,
    CreateTask,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::GetTask => "get task",
            Self::CreateTask => "create task",
        }
    }

    /// The request about a project whose first task is there.
    fn request(self, project: i64) -> anyhow::Result<Request<Full<Bytes>>> {
        match self {
            Self::GetTask => get(&format!("/api/v1/projects/{project}/tasks/1")),
            Self::CreateTask => {
                let body = json!({ "title": "a task", "description": "what is to be done" });
                post(&format!("/api/v1/projects/{project}/tasks"), &body)
            }
        }
    }
}

pub(crate) async fn run(
    dialect: Dialect,
    program: &Path,
    projects: usize,
    rounds: usize,
    requests: usize,
) -> anyhow::Result<()> {
    let on = TestDb::new(dialect);
    let (data, open) = (on.dir().join("data"), (projects + 1).to_string());
    let environment = [
        ("DATABASE_URL", on.url()),
        ("DATA_DIR", data.to_str().context("a path of text")?),
        ("PROJECT_MAX_OPEN", &open),
        ("PROJECT_IDLE_SECONDS", "86400"),
    ];
    let (process, address) = service::start_with(program, &environment).await?;
    let mut clients = try_join_all((0..CLIENTS).map(|_| Client::connect(address))).await?;
    let mut ids = Vec::new();
    for number in 0..projects {
        let name = json!({ "name": format!("project {number}") });
        let made = clients[0].ask(post("/api/v1/projects", &name)?, 201).await?;
        let id = made["id"].as_i64().context("a project has an id")?;
        clients[0].ask(What::CreateTask.request(id)?, 201).await?;
        ids.push(id);
    }
    report::paragraph(format!(
        "Requests per second on {dialect}: {CLIENTS} connections, {rounds} rounds of {requests} \
         requests; about one project, and about one of {projects} that are all open"
    ))?;
    let columns =
        ["request", "one /s", "many /s", "ratio", "quartiles", "aim", "descriptors", "MiB", "load"];
    report::head(&columns, 1)?;
    for what in [What::GetTask, What::CreateTask] {
        let (mut one, mut many) = (Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=rounds {
            let alone = turn(&mut clients, what, &ids[..1], requests).await?;
            let among = turn(&mut clients, what, &ids, requests).await?;
            if round > 0 {
                one.push(alone);
                many.push(among);
            }
        }
        // How many times longer a request takes.
        let (ratio, quartiles) = report::ratio(&one, &many);
        let (descriptors, memory) = process.size();
        report::row(&[
            what.name().to_owned(),
            format!("{:.0}", report::median(&one)),
            format!("{:.0}", report::median(&many)),
            format!("**{ratio:.2}**"),
            quartiles,
            "1.3".to_owned(),
            descriptors,
            memory,
            report::load(),
        ])?;
    }
    drop(clients);
    process.stop().await
}

/// Requests per second of all clients together.
async fn turn(
    clients: &mut [Client],
    what: What,
    ids: &[i64],
    requests: usize,
) -> anyhow::Result<f64> {
    let each = requests / CLIENTS;
    let start = Instant::now();
    let work = clients.iter_mut().enumerate().map(async |(client, connection)| {
        for step in 0..each {
            let project = ids[(client * each + step) * STRIDE % ids.len()];
            let expected = if matches!(what, What::GetTask) { 200 } else { 201 };
            let task = connection.ask(what.request(project)?, expected).await?;
            ensure!(task["project_id"] == project, "asked about project {project}, found {task}");
        }
        Ok(())
    });
    try_join_all(work).await?;
    Ok(report::per_second(each * clients.len(), start.elapsed()))
}

/// A connection that is kept open.
struct Client(SendRequest<Full<Bytes>>);

impl Client {
    async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>, expected: u16) -> anyhow::Result<Value> {
        self.0.ready().await?;
        let answer = self.0.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body);
        ensure!(status == expected, "expected {expected}, found {status}: {text}");
        Ok(serde_json::from_slice(&body)?)
    }
}

fn get(path: &str) -> anyhow::Result<Request<Full<Bytes>>> {
    Ok(Request::get(path).header(header::HOST, "localhost").body(Full::default())?)
}

fn post(path: &str, body: &Value) -> anyhow::Result<Request<Full<Bytes>>> {
    let body = Full::from(body.to_string());
    let request = Request::post(path).header(header::HOST, "localhost");
    Ok(request.header(header::CONTENT_TYPE, "application/json").body(body)?)
}
