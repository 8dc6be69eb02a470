//! The row about Secrets that are none of ours: many and large, and yet of no weight.

use e2e::{Error, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};

use super::sheet::{Figure, Unit};
use super::starts::{Settled, start_and_settle};
use super::world::{IN_FLIGHT, World};
use super::{mebibytes, seconds};
use crate::say;

const GOAL: f64 = 5.0;

/// Restarts the controller without and with as many foreign Secrets as there are ExternalSecrets. They come while it
/// runs, so that its watch sees each of them too.
pub(super) async fn measure(world: &mut World, kib: usize) -> Result<Vec<Figure>> {
    world.stop_controller().await?;
    let Settled { took: took_without, .. } = start_and_settle(world).await?;
    let without = world.controller()?.usage().await?;

    let count = world.objects;
    say::step(&format!("creating {count} foreign Secrets of {kib} KiB"));
    let namespace = world.cluster().namespace("foreign").await?;
    let api = world.cluster().secrets(&namespace);
    let data = ByteString(vec![b'x'; kib * 1024]);
    stream::iter(0..count)
        .map(async |number| {
            let secret = Secret {
                metadata: ObjectMeta { name: Some(format!("foreign-{number}")), ..ObjectMeta::default() },
                data: Some([("data".to_owned(), data.clone())].into()),
                ..Secret::default()
            };
            api.create(&PostParams::default(), &secret).await?;
            Ok::<_, Error>(())
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await?;
    let seen = world.controller()?.usage().await?;

    world.stop_controller().await?;
    let Settled { took, .. } = start_and_settle(world).await?;
    let with = world.controller()?.usage().await?;
    let added = |with: u64, without: u64| (mebibytes(with) / mebibytes(without) - 1.0) * 100.0;
    let memory = |what: &str, bytes: u64| Figure::new(what, Unit::Mebibytes, mebibytes(bytes));
    Ok(vec![
        memory("peak memory of a restart without them", without.peak),
        memory(&format!("the same with {count} of {kib} KiB"), with.peak),
        Figure::new("added to the peak", Unit::Percent, added(with.peak, without.peak)).goal(GOAL),
        Figure::new("added to what is resident", Unit::Percent, added(with.resident, without.resident)),
        Figure::new("added to the peak by seeing them come", Unit::Percent, added(seen.peak, without.peak)),
        Figure::new("start until settled without them", Unit::Seconds, seconds(took_without)),
        Figure::new("start until settled with them", Unit::Seconds, seconds(took)),
    ])
}
