//! Work split among replicas: which bucket a thing is in, and which replica should hold which bucket.
//!
//! Pure, and the same in every replica that sees the same members. Deliberately not here: Leases, which make sure that no
//! two replicas hold one bucket while they see different members (the controller's `tenure`).

use sha3::{Digest, Sha3_224};

/// The most buckets that there may be: each one is a Lease.
pub const MOST: u16 = 1024;

/// The bucket of a thing with this name, below `buckets`. It never changes: another version of this program that runs
/// beside ours must find the same.
pub fn bucket(name: &[&str], buckets: u16) -> u16 {
    let place = hash(name) % u64::from(buckets.max(1));
    u16::try_from(place).unwrap_or_default()
}

/// Who should hold each bucket: the member with the highest hash of bucket and member that has not its share yet. When a
/// member comes or goes, few buckets move but those that have to. Empty without members.
pub fn assign<'m>(buckets: u16, members: &[&'m str]) -> Vec<&'m str> {
    let share = usize::from(buckets).div_ceil(members.len().max(1));
    let mut held = vec![0_usize; members.len()];
    (0..buckets)
        .filter_map(|bucket| {
            let bucket = bucket.to_string();
            let open = members.iter().enumerate().filter(|(place, _)| held[*place] < share);
            let (place, member) = open.max_by_key(|(_, member)| (hash(&[&bucket, member]), **member))?;
            held[place] += 1;
            Some(*member)
        })
        .collect()
}

/// What a replica does about a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is ours to have and nobody has it.
    Take,
    /// It is ours, and stays so.
    Keep,
    /// It is ours and should be another's: let what runs end, and give it back.
    Leave,
    /// Not ours, or not yet.
    Wait,
}

/// What `me` does about a bucket that `wished` should hold. `holder` is whoever its Lease names, if that one lives.
pub fn step(me: &str, wished: Option<&str>, holder: Option<&str>) -> Step {
    match (wished == Some(me), holder) {
        (true, None) => Step::Take,
        (true, Some(holder)) if holder == me => Step::Keep,
        (false, Some(holder)) if holder == me => Step::Leave,
        (true | false, Some(_)) | (false, None) => Step::Wait,
    }
}

/// A number for a list of parts, the same in every version of this program.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let mut hasher = Sha3_224::new();
    for part in parts {
        hasher.update(part.as_bytes());
        // No two lists of parts are one text.
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: [&str; 5] = ["pod-a_1", "pod-b_2", "pod-c_3", "pod-d_4", "pod-e_5"];

    #[test]
    fn a_thing_stays_in_its_bucket() {
        // Recorded: replicas of two versions run side by side.
        let cases = [(["SecretStore", "shop", "vault"], 15), (["ClusterSecretStore", "", "vault"], 1)];
        for (name, want) in cases {
            assert_eq!(bucket(&name, 16), want, "{name:?}");
        }
        assert!((0..1000).all(|number| bucket(&["SecretStore", &number.to_string()], 16) < 16));
        assert_ne!(hash(&["a", "b"]), hash(&["ab", ""]));
    }

    #[test]
    fn the_load_is_even_however_many_there_are() {
        for buckets in [16, 64, 256] {
            for count in 1..=MEMBERS.len() {
                let assigned = assign(buckets, &MEMBERS[..count]);
                assert_eq!(assigned.len(), usize::from(buckets));
                let most = usize::from(buckets).div_ceil(count);
                for member in &MEMBERS[..count] {
                    let load = assigned.iter().filter(|it| *it == member).count();
                    assert!(load <= most, "{member} has {load} of {buckets} among {count}");
                }
            }
        }
        assert_eq!(assign(16, &[]), Vec::<&str>::new());
    }

    #[test]
    fn members_are_the_same_in_any_order() {
        let mut reversed = MEMBERS;
        reversed.reverse();
        assert_eq!(assign(64, &MEMBERS), assign(64, &reversed));
    }

    #[test]
    fn few_buckets_move_when_a_member_comes() {
        for count in 1..MEMBERS.len() {
            let (before, after) = (assign(256, &MEMBERS[..count]), assign(256, &MEMBERS[..=count]));
            let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
            let needed = 256 / (count + 1);
            assert!(moved <= needed * 2, "{moved} moved from {count} members to one more; {needed} had to");
        }
    }

    #[test]
    fn each_holder_leads_to_one_step() {
        let cases = [
            (Some("me"), None, Step::Take),
            (Some("me"), Some("me"), Step::Keep),
            (Some("me"), Some("them"), Step::Wait),
            (Some("them"), Some("me"), Step::Leave),
            (Some("them"), Some("them"), Step::Wait),
            (Some("them"), None, Step::Wait),
            (None, Some("me"), Step::Leave),
            (None, None, Step::Wait),
        ];
        for (wished, holder, want) in cases {
            assert_eq!(step("me", wished, holder), want, "{wished:?} {holder:?}");
        }
    }
}
