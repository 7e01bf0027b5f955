//! Logs to standard error and, where the standard `OTEL_*` variables ask for it, spans by OTLP.
//!
//! [`init`] is called once, by `main`. Log lines pass the filter of `[log]`. Spans are exported apart from that, and only ours:
//! what `hyper` or the exporter's own client does makes no span, so an export never causes another one.
//!
//! The batch processor of the SDK sends from a thread of its own, where the asynchronous HTTP client would find no runtime and
//! panic. So the exporter brings a small runtime with it (`OwnRuntime`); it neither needs the one that serves, nor outlives the
//! guard.

use std::{io::IsTerminal as _, time::Duration};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tokio::runtime::Runtime;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{EnvFilter, Layer, Registry, filter::filter_fn, fmt, layer::SubscriberExt as _};

use crate::config::{Log, LogFormat};

/// How long the end of the process may wait for the last spans.
const FLUSH: Duration = Duration::from_secs(5);

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("log.filter is not a filter")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("cannot export spans as the OTEL_EXPORTER_OTLP_… variables ask")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("cannot start the thread that exports spans")]
    Runtime(#[from] std::io::Error),
    #[error("telemetry was set up before")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Keeps telemetry going; dropping it sends the spans that are still waiting, for at most five seconds.
#[derive(Debug)]
#[must_use = "dropping it ends the export of spans"]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown_with_timeout(FLUSH)
        {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// Sets up logs and spans for the whole process.
pub fn init(log: &Log) -> Result<Telemetry, Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let provider = if export_wanted(variable) { Some(provider(exporter(None)?)?) } else { None };
    tracing::subscriber::set_global_default(subscriber(log, provider.as_ref(), std::io::stderr)?)?;
    // Also without an export: a caller's trace is then simply not carried on.
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    if provider.is_some()
        && let Some(protocol) = unsupported_protocol(variable)
    {
        tracing::warn!(protocol, "spans are exported as http/protobuf: no other OTLP protocol is built in");
    }
    Ok(Telemetry(provider))
}

/// Whether the environment names a place to send spans to, and nothing forbids it (OpenTelemetry environment variable
/// specification; an empty variable counts as not set).
fn export_wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).is_some_and(|value| !value.trim().is_empty());
    let is = |name: &str, word: &str| variable(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(word));
    (set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") || set("OTEL_EXPORTER_OTLP_ENDPOINT"))
        && !is("OTEL_SDK_DISABLED", "true")
        && !is("OTEL_TRACES_EXPORTER", "none")
}

fn unsupported_protocol(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        .filter(|protocol| protocol != "http/protobuf")
}

/// Log lines to `writer`, and spans to `provider`.
fn subscriber<W>(
    log: &Log,
    provider: Option<&SdkTracerProvider>,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, Error>
where
    W: for<'w> fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Human => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            lines.with_ansi(colours).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let lines = lines.with_filter(EnvFilter::builder().parse(&log.filter)?);
    let spans = provider.map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("vestibule"))
            .with_location(false)
            .with_threads(false)
            .with_filter(filter_fn(is_exported))
    });
    Ok(Registry::default().with(lines).with(spans))
}

/// Our own spans down to `debug`, and as their events our own log lines down to `info`.
fn is_exported(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target().strip_prefix("vestibule").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    ours && *metadata.level() <= if metadata.is_span() { Level::DEBUG } else { Level::INFO }
}

/// An exporter to `endpoint`, or else to the one that the environment names; headers and time limits are always the
/// environment's.
fn exporter(endpoint: Option<&str>) -> Result<opentelemetry_otlp::SpanExporter, Error> {
    let builder = opentelemetry_otlp::SpanExporter::builder().with_http();
    let builder = builder.with_protocol(opentelemetry_otlp::Protocol::HttpBinary);
    Ok(match endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint),
        None => builder,
    }
    .with_headers([("user-agent".to_owned(), concat!("vestibule/", env!("CARGO_PKG_VERSION")).to_owned())].into())
    .build()?)
}

fn provider(exporter: opentelemetry_otlp::SpanExporter) -> Result<SdkTracerProvider, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("otlp").enable_all().build()?;
    let provider = SdkTracerProvider::builder().with_resource(resource());
    Ok(provider.with_batch_exporter(OwnRuntime { exporter, runtime }).build())
}

/// Who sends the spans: `vestibule`, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` says otherwise.
fn resource() -> Resource {
    let found = Resource::builder().build();
    let name = found.get(&"service.name".into()).map(|name| name.to_string()).filter(|name| !name.starts_with("unknown_service"));
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder().with_service_name(name.unwrap_or_else(|| "vestibule".to_owned())).with_attribute(version).build()
}

/// An exporter with the runtime that its HTTP client needs.
#[derive(Debug)]
struct OwnRuntime {
    exporter: opentelemetry_otlp::SpanExporter,
    // Dropped after the exporter, on the thread of the batch processor: never inside another runtime.
    runtime: Runtime,
}

impl SpanExporter for OwnRuntime {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        // The batch processor has this thread for itself, so it may wait.
        self.runtime.block_on(self.exporter.export(batch))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests;
