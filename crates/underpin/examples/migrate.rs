//! Brings a database up to date: `cargo run -p underpin --example migrate -- sqlite:app.db migrations`.

use underpin::{Catalog, DatabaseUrl, Engine, Goal, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url: DatabaseUrl = arguments.next().ok_or("expected a database URL")?.parse()?;
    let folder = arguments.next().ok_or("expected a folder of migrations")?;
    let catalog = Catalog::read(folder.as_ref(), "app", url.dialect())?;

    let report = Engine::new(&catalog, &[], &url, Options::default())?.migrate(&Goal::Head).await?;

    for step in report.steps {
        tracing::info!("applied {} {}", step.version, step.name);
    }
    Ok(())
}
