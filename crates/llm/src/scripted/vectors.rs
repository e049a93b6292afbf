//! Vectors of texts without a model: words and their parts, hashed. Texts that share words are near each other.

/// A vector of length one, or zero for a text without letters or digits.
pub(super) fn of(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    let text = text.to_lowercase();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        add(&mut vector, word, 1.0);
        let characters: Vec<char> = word.chars().collect();
        for part in characters.windows(4) {
            add(&mut vector, &part.iter().collect::<String>(), 0.25);
        }
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
    vector
}

fn add(vector: &mut [f32], part: &str, weight: f32) {
    // FNV-1a: the same on every machine and in every version.
    let hash =
        part.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let sign = if hash >> 63 == 0 { weight } else { -weight };
    let length = u64::try_from(vector.len()).unwrap_or(1).max(1);
    let place = usize::try_from(hash % length).ok().and_then(|index| vector.get_mut(index));
    if let Some(place) = place {
        *place += sign;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(left: &str, right: &str) -> f32 {
        of(left, 256).iter().zip(of(right, 256)).map(|(left, right)| left * right).sum()
    }

    #[test]
    fn texts_that_share_words_are_nearer() {
        let near = likeness("monthly revenue by region", "revenue of each region");
        let far = likeness("monthly revenue by region", "the cat sat on a mat");
        assert!(near > far + 0.2, "{near} {far}");
        assert!((likeness("Revenue!", "revenue") - 1.0).abs() < 1e-5);
        assert!(of("…", 16).iter().all(|value| *value == 0.0));
    }
}
