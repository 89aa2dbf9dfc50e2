//! `/metrics`, `/livez`, `/readyz`, and for people `/` with `/status.json`: a small HTTP server on a thread of its own, and the question
//! that `healthcheck` asks it.
//!
//! It reads what the engine's threads left and never waits for them. What a client can cost is bounded: connections, header
//! bytes, the time to send a request, the time of the whole connection. A connection carries one request.

use super::exposition::{CONTENT_TYPE, Exposition};
use super::health::{Health, Verdict};
use super::history;
use super::metrics::Metrics;
use super::status::{About, Status};
use crate::error::{EngineError, ExitCode, Stage};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, ALLOW, CONTENT_TYPE as CONTENT_TYPE_HEADER, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

mod ask;
mod page;

use self::page::Page;
pub use ask::ask_ready;

/// A running server. It stops, and its thread is joined, when this is dropped.
#[derive(Debug)]
pub struct HttpServer {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a client may cost.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    connections_max: usize,
    header_bytes_max: usize,
    read_timeout: Duration,
    /// For a client that reads its answer slowly.
    connection_timeout: Duration,
}

const BOUNDS: Bounds = Bounds {
    connections_max: 256,
    header_bytes_max: 8 * 1024,
    read_timeout: Duration::from_secs(5),
    connection_timeout: Duration::from_secs(10),
};

/// Answers under way at the stop get so long to be sent.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// Serves on `addr`, which is bound when this returns; port 0 takes any free one.
///
/// # Errors
/// If the address cannot be had: exit code 78.
pub fn serve(
    addr: SocketAddr,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    about: About,
) -> Result<HttpServer, EngineError> {
    serve_within(addr, metrics, health, about, BOUNDS)
}

fn serve_within(
    addr: SocketAddr,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    about: About,
    bounds: Bounds,
) -> Result<HttpServer, EngineError> {
    let listener = TcpListener::bind(addr)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| cannot_listen(addr, &error))?;
    let addr = listener.local_addr().map_err(|error| cannot_listen(addr, &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| cannot_start(&error))?;
    let listener = {
        // A tokio listener is registered with the runtime in whose context it is made.
        let _context = runtime.enter();
        tokio::net::TcpListener::from_std(listener).map_err(|error| cannot_start(&error))?
    };
    let status = Status::new(about, Arc::clone(&metrics), Arc::clone(&health));
    let exposition = Exposition::new(Arc::clone(&metrics));
    let endpoints = Endpoints { exposition, metrics, health, status, page: Page::new() };
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || runtime.block_on(run(listener, Arc::new(endpoints), bounds, stopped)))
        .map_err(|error| cannot_start(&error))?;
    tracing::info!(%addr, "serving /metrics, /livez and /readyz, and a status page at /");
    Ok(HttpServer { addr, stop: Some(stop), thread: Some(thread) })
}

fn cannot_listen(addr: SocketAddr, error: &std::io::Error) -> EngineError {
    let message = format!(
        "cannot serve metrics and health on {addr}: {error}; set GRISTMILL_HTTP_ADDR to another address, \
         to :0 for any free port, or to off"
    );
    EngineError::new(Stage::Start, ExitCode::Config, message)
}

fn cannot_start(error: &std::io::Error) -> EngineError {
    let message = format!(
        "cannot start the thread that serves metrics and health: {error}; raise the limits on threads and open files, or set GRISTMILL_HTTP_ADDR to off"
    );
    EngineError::new(Stage::Start, ExitCode::Config, message)
}

impl HttpServer {
    /// Where it listens, with the port that was chosen.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops it and waits for its thread.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the http thread panicked");
        }
    }
}

async fn run(
    listener: tokio::net::TcpListener,
    endpoints: Arc<Endpoints>,
    bounds: Bounds,
    stopped: oneshot::Receiver<()>,
) {
    let connections = Arc::new(Semaphore::new(bounds.connections_max));
    let sampling = tokio::spawn(sample(Arc::clone(&endpoints)));
    let accepting = tokio::spawn(accept(listener, endpoints, bounds, Arc::clone(&connections)));
    // The sender sends nothing: it is dropped, which is the signal.
    stopped.await.ok();
    accepting.abort();
    sampling.abort();
    let all = connections.acquire_many(bounds.connections_max as u32);
    if tokio::time::timeout(STOP_GRACE, all).await.is_err() {
        tracing::debug!("http connections cut off at the stop");
    }
}

/// The page draws what was before it was opened, too.
async fn sample(endpoints: Arc<Endpoints>) {
    let mut period = tokio::time::interval(history::PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        endpoints.status.sample();
    }
}

async fn accept(
    listener: tokio::net::TcpListener,
    endpoints: Arc<Endpoints>,
    bounds: Bounds,
    connections: Arc<Semaphore>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match Arc::clone(&connections).try_acquire_owned() {
                Ok(permit) => {
                    tokio::spawn(answer_one(stream, Arc::clone(&endpoints), bounds, permit));
                }
                Err(_) => refuse(&stream),
            },
            Err(error) => {
                // Out of descriptors, for example: what is accepted meanwhile fails again, so give it a moment.
                tracing::warn!(%error, "cannot accept an http connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// One connection too many: an answer if it fits into the socket's buffer, as it does in a fresh one.
fn refuse(stream: &TcpStream) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 21\r\nconnection: close\r\n\r\n\
                            too many connections\n";
    if stream.try_write(ANSWER).is_err() {
        tracing::debug!("http connection refused without an answer");
    }
}

async fn answer_one(
    stream: TcpStream,
    endpoints: Arc<Endpoints>,
    bounds: Bounds,
    _permit: OwnedSemaphorePermit,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = endpoints.answer(request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.read_timeout)
        .max_header_size(bounds.header_bytes_max)
        .max_buf_size(2 * bounds.header_bytes_max)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(bounds.connection_timeout, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "http connection failed"),
        Err(_) => tracing::debug!("http client too slow, cut off"),
    }
}

struct Endpoints {
    exposition: Exposition,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    status: Status,
    page: Page,
}

impl Endpoints {
    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !["/metrics", "/livez", "/readyz", "/", "/status.json"].contains(&path) {
            return text(
                StatusCode::NOT_FOUND,
                "not found; there is /metrics, /livez, /readyz, /status.json and, for people, /\n".to_owned(),
            );
        }
        if method != Method::GET && method != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let now = Instant::now();
        match path {
            "/metrics" => response(StatusCode::OK, CONTENT_TYPE, self.exposition.render()),
            "/livez" => verdict(&self.health.live(now), "live"),
            "/readyz" => verdict(&self.health.ready(now, self.metrics.waiting_since()), "ready"),
            "/status.json" => response(StatusCode::OK, "application/json", self.status.json()),
            _ => self.page(),
        }
    }

    fn page(&self) -> Response<Full<Bytes>> {
        let mut response = response(StatusCode::OK, "text/html; charset=utf-8", self.page.html.clone());
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, self.page.policy.clone());
        response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

fn verdict(verdict: &Verdict, word: &str) -> Response<Full<Bytes>> {
    let status = if verdict.is_yes() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, verdict.text(word))
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", body)
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE_HEADER, HeaderValue::from_static(content_type));
    // Each answer is of this moment, and is what it says it is.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests;
