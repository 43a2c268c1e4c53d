//! What the service counts: every metric by name, in one place.
//!
//! Whoever counts says `metrics::counter!("underpin_…")` where it happens. Names end in their unit,
//! and no label ever holds what a caller chose.

use std::time::Duration;

use anyhow::Context as _;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the buckets, in seconds: of a request, which waits 30 s at most, and of a job.
const REQUEST_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const JOB_SECONDS: &[f64] = &[0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0];
/// Events that are applied in one transaction.
const GROUP_SIZE: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0];

/// How often what was measured is put into its buckets, if nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts to count, for the whole process.
pub(crate) fn install() -> anyhow::Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(full("underpin_http_request_seconds"), REQUEST_SECONDS)?
        .set_buckets_for_metric(full("underpin_job_seconds"), JOB_SECONDS)?
        .set_buckets_for_metric(full("underpin_event_group_size"), GROUP_SIZE)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).context("cannot count: somebody else does already")?;
    describe();
    gauge!("underpin_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    Ok(handle)
}

/// Keeps what nobody scrapes from growing; never ends.
pub(crate) async fn upkeep(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}

fn full(name: &str) -> Matcher {
    Matcher::Full(name.to_owned())
}

fn describe() {
    let text = "The version of the service; always 1.";
    describe_gauge!("underpin_build_info", text);

    describe_counter!("underpin_http_requests_total", "HTTP requests by method, route and status.");
    let text = "From the end of a request's head to its answer.";
    describe_histogram!("underpin_http_request_seconds", Unit::Seconds, text);

    describe_gauge!("underpin_http_connections", "Connections of clients.");
    let text =
        "Connections that were cut off, by what was waited for: idle, head, answer, or full.";
    describe_counter!("underpin_http_connections_cut_total", text);
    let text =
        "Requests for a place that were refused: connections, listeners, uploads, downloads.";
    describe_counter!("underpin_http_refused_total", text);

    describe_counter!("underpin_events_total", "Events from NATS by subject and outcome.");
    describe_histogram!("underpin_event_group_size", "Events applied in one transaction.");
    describe_gauge!("underpin_events_waiting", "Events received and not yet applied.");
    let text = "How long events have waited for the database to take them; 0 when none does.";
    describe_gauge!("underpin_events_wait_seconds", Unit::Seconds, text);
    let text =
        "Events that could not be applied and that wait for a person; NaN when it does not answer.";
    describe_gauge!("underpin_dead_letters", text);
    describe_gauge!("underpin_stream_lag", "Events in the stream and not yet received.");
    let text = "Events that came faster than they could be applied and were dropped.";
    describe_counter!("underpin_events_dropped_total", text);
    describe_gauge!(
        "underpin_nats_connected",
        "1 while there is a connection to NATS, for events or for requests, else 0."
    );
    describe_counter!("underpin_requests_total", "NATS requests by subject and outcome.");

    describe_counter!("underpin_jobs_total", "Runs of jobs by job and outcome.");
    describe_histogram!("underpin_job_seconds", Unit::Seconds, "How long a job ran.");
    describe_gauge!("underpin_leader", "1 when this replica runs the jobs, else 0.");

    let text = "Listeners to the events of projects by kind: all, project, stream.";
    describe_gauge!("underpin_event_subscribers", text);
    let text = "Events of projects that were read for listeners.";
    describe_counter!("underpin_project_events_total", text);
    describe_gauge!("underpin_projects_open", "Projects whose database is open.");

    describe_gauge!("underpin_pool_size", "Open connections of a pool.");
    describe_gauge!("underpin_pool_idle", "Open connections that nobody uses.");
    describe_gauge!("underpin_pool_in_use", "Open connections that somebody uses.");
    let text = "1 when the database answers and no migration is pending, else 0.";
    describe_gauge!("underpin_schema_up_to_date", text);
    let text = "Migrations that are not applied; NaN when the database does not answer.";
    describe_gauge!("underpin_schema_pending", text);
    let text = "Messages to say by state; NaN when the database does not answer.";
    describe_gauge!("underpin_outbound_messages", text);
}

#[cfg(test)]
mod tests {
    use metrics::{counter, histogram};

    use super::*;

    #[test]
    fn what_is_counted_anywhere_is_described_here() {
        let handle = install().unwrap();
        for name in [
            "underpin_http_requests_total",
            "underpin_http_connections_cut_total",
            "underpin_http_refused_total",
            "underpin_events_total",
            "underpin_events_dropped_total",
            "underpin_requests_total",
            "underpin_jobs_total",
            "underpin_project_events_total",
        ] {
            counter!(name).increment(1);
        }
        for name in
            ["underpin_http_request_seconds", "underpin_event_group_size", "underpin_job_seconds"]
        {
            histogram!(name).record(3.0);
        }
        for name in [
            "underpin_http_connections",
            "underpin_events_waiting",
            "underpin_events_wait_seconds",
            "underpin_dead_letters",
            "underpin_stream_lag",
            "underpin_leader",
            "underpin_nats_connected",
            "underpin_event_subscribers",
            "underpin_projects_open",
            "underpin_pool_size",
            "underpin_pool_idle",
            "underpin_pool_in_use",
            "underpin_schema_up_to_date",
            "underpin_schema_pending",
            "underpin_outbound_messages",
        ] {
            gauge!(name).set(1);
        }

        let text = handle.render();

        let of = |word: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(word));
            let names = lines.map(|line| line.split(' ').next().unwrap_or_default().to_owned());
            names.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!((of("# TYPE ").len(), of("# HELP ")), (27, of("# TYPE ")), "{text}");
        assert!(text.contains("underpin_job_seconds_bucket{le=\"5\"} 1"), "{text}");
        assert!(text.contains("underpin_event_group_size_bucket{le=\"5\"} 1"), "{text}");
        assert!(!text.contains("summary"), "{text}");
    }
}
