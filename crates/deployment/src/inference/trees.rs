//! Ensembles of trees.
//!
//! A file's trees are laid out anew when they are loaded: a node's first branch is the node behind it, and the second one
//! further behind. So a walk always ends, whatever the file said; a file with a cycle, or with a node that two others lead
//! to, is refused.

use std::collections::HashMap;

use super::{
    graph_error::GraphError,
    onnx::Node,
    transform::{Transform, logistic},
};

/// The most nodes of an ensemble. The exporter stops at three million.
const NODES_MAX: usize = 4_000_000;
/// The most weights of leaves: three million leaves of some classes each.
const WEIGHTS_MAX: usize = 64_000_000;

/// Set in `feature` when a missing value takes the first branch.
const MISSING_FIRST: u32 = 1 << 31;
/// `feature` of a leaf with one weight, in `value`, for the target in `second`.
const LEAF: u32 = u32::MAX;
/// `feature` of a leaf with any other number of weights; `second` is its place in `leaves`.
const LEAF_OF_MANY: u32 = u32::MAX - 1;

#[derive(Debug, Clone, Copy)]
struct TreeNode {
    feature: u32,
    /// The first branch is taken up to this value.
    value: f32,
    second: u32,
}

#[derive(Debug, Clone, Copy)]
struct Weight {
    target: u32,
    value: f32,
}

/// A fitted ensemble.
#[derive(Debug)]
pub(super) struct Forest {
    nodes: Vec<TreeNode>,
    roots: Vec<u32>,
    /// For each leaf of many weights the range of them.
    leaves: Vec<(u32, u32)>,
    weights: Vec<Weight>,
    /// Scores that a row gets: classes, or 1.
    scores: usize,
    base: Vec<f64>,
    divisor: f64,
    ending: Ending,
    steps: u64,
}

/// How scores become answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// As they are, or transformed together.
    Plain(Transform),
    /// One score tells two classes apart: its chance, and what is left to one.
    Share,
    /// One score tells two classes apart: log odds.
    Odds,
    /// One score tells two classes apart: the second gets it, the first its negative.
    Sides,
}

/// A node as the file has it.
struct RawNode {
    tree: i64,
    id: i64,
    feature: u32,
    value: f32,
    first: i64,
    second: i64,
    is_leaf: bool,
}

/// A weight as the file has it, at the place of its node.
struct RawWeight {
    place: usize,
    weight: Weight,
}

impl Forest {
    /// Reads `TreeEnsembleClassifier` (`labels` classes) over rows of `width` values.
    pub(super) fn classifier(node: &Node<'_>, width: usize) -> Result<Self, GraphError> {
        let mut labels = 0_usize;
        let mut list = node.ints("classlabels_int64s");
        while let Some(label) = list.next_int()? {
            if usize::try_from(label) != Ok(labels) {
                return Err(GraphError::unsupported(node, "labels that are not 0, 1, ..."));
            }
            labels += 1;
        }
        let transform = Transform::read(node)?;
        let mut forest = Self::read(node, width, labels, ["class_treeids", "class_nodeids", "class_ids", "class_weights"])?;
        if labels < 2 {
            return Err(GraphError::unsupported(node, "fewer than two classes"));
        }
        forest.ending = Ending::Plain(transform);
        if labels == 2 {
            let of_second = forest.all_weights().any(|weight| weight.target == 1);
            let base_fits = forest.base.len() <= usize::from(!of_second);
            if !base_fits {
                return Err(GraphError::unsupported(node, "base values of both of two classes"));
            }
            if !of_second {
                let positive = forest.all_weights().all(|weight| weight.value >= 0.0);
                forest.scores = 1;
                forest.ending = match transform {
                    _ if positive => Ending::Share,
                    Transform::Logistic => Ending::Odds,
                    Transform::None => Ending::Sides,
                    Transform::Softmax => return Err(GraphError::unsupported(node, "a softmax over one score")),
                };
            }
        } else if !forest.base.is_empty() && forest.base.len() != labels {
            return Err(GraphError::unsupported(node, "base values of some classes only"));
        }
        Ok(forest)
    }

    /// Reads `TreeEnsembleRegressor` for one number over rows of `width` values.
    pub(super) fn regressor(node: &Node<'_>, width: usize) -> Result<Self, GraphError> {
        if node.int("n_targets")?.unwrap_or(1) != 1 {
            return Err(GraphError::unsupported(node, "more than one number"));
        }
        let mut forest = Self::read(node, width, 1, ["target_treeids", "target_nodeids", "target_ids", "target_weights"])?;
        if forest.base.len() > 1 || Transform::read(node)? != Transform::None {
            return Err(GraphError::unsupported(node, "transformed numbers"));
        }
        forest.divisor = match node.text("aggregate_function")?.unwrap_or("SUM") {
            "SUM" => 1.0,
            "AVERAGE" => super::numbers::count(forest.roots.len().max(1)),
            other => return Err(GraphError::unsupported(node, &format!("the aggregate {other}"))),
        };
        Ok(forest)
    }

    fn read(node: &Node<'_>, width: usize, targets: usize, names: [&str; 4]) -> Result<Self, GraphError> {
        let raw = read_nodes(node, width)?;
        let index = Index::new(node, &raw)?;
        let mut weights = read_weights(node, &index, targets, names)?;
        weights.sort_by_key(|weight| weight.place);
        let mut base = Vec::new();
        let mut list = node.floats("base_values");
        while let Some(value) = list.next_float()? {
            base.push(f64::from(value));
        }
        if base.len() > targets {
            return Err(GraphError::broken(node, "has more base values than classes"));
        }
        let mut forest = Self {
            nodes: Vec::with_capacity(raw.len()),
            roots: Vec::with_capacity(index.groups.len()),
            leaves: Vec::new(),
            weights: Vec::new(),
            scores: targets,
            base,
            divisor: 1.0,
            ending: Ending::Plain(Transform::None),
            steps: 0,
        };
        let mut layout = Layout { raw: &raw, weights: &weights, index: &index, seen: vec![false; raw.len()] };
        for group in 0..index.groups.len() {
            layout.add_tree(node, group, &mut forest)?;
        }
        forest.nodes.shrink_to_fit();
        Ok(forest)
    }

    fn all_weights(&self) -> impl Iterator<Item = Weight> + '_ {
        let single = self.nodes.iter().filter(|node| node.feature == LEAF);
        single.map(|node| Weight { target: node.second, value: node.value }).chain(self.weights.iter().copied())
    }

    /// The answers of a row.
    pub(super) fn width(&self) -> usize {
        if self.scores == 1 && matches!(self.ending, Ending::Share | Ending::Odds | Ending::Sides) { 2 } else { self.scores }
    }

    /// Comparisons for a row at most, and additions.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<TreeNode>()
            + self.roots.capacity() * 4
            + self.leaves.capacity() * 8
            + self.weights.capacity() * size_of::<Weight>()
    }

    /// The answers of rows of `width` values each.
    pub(super) fn run(&self, rows: &[f32], width: usize) -> Vec<f64> {
        let count = rows.len().checked_div(width).unwrap_or(0);
        let mut scores = vec![0.0; count * self.scores];
        // Tree by tree: a tree stays in the cache while all rows go through it.
        for root in &self.roots {
            for (row, scores) in rows.chunks_exact(width).zip(scores.chunks_exact_mut(self.scores)) {
                self.add(self.leaf(*root, row), scores);
            }
        }
        let mut answers = Vec::with_capacity(count * self.width());
        for scores in scores.chunks_exact_mut(self.scores) {
            for (place, score) in scores.iter_mut().enumerate() {
                *score = *score / self.divisor + self.base.get(place).copied().unwrap_or(0.0);
            }
            self.finish(scores, &mut answers);
        }
        answers
    }

    fn leaf(&self, root: u32, row: &[f32]) -> Option<TreeNode> {
        let mut place = root;
        loop {
            let node = self.nodes.get(super::numbers::place(place))?;
            if node.feature >= LEAF_OF_MANY {
                return Some(*node);
            }
            let value = row.get(super::numbers::place(node.feature & !MISSING_FIRST)).copied().unwrap_or(f32::NAN);
            let first = value <= node.value || (value.is_nan() && node.feature & MISSING_FIRST != 0);
            place = if first { place + 1 } else { node.second };
        }
    }

    fn add(&self, leaf: Option<TreeNode>, scores: &mut [f64]) {
        let Some(leaf) = leaf else { return };
        if leaf.feature == LEAF {
            if let Some(score) = scores.get_mut(super::numbers::place(leaf.second)) {
                *score += f64::from(leaf.value);
            }
            return;
        }
        let (start, end) = self.leaves.get(super::numbers::place(leaf.second)).copied().unwrap_or_default();
        for weight in self.weights.get(super::numbers::place(start)..super::numbers::place(end)).unwrap_or_default() {
            if let Some(score) = scores.get_mut(super::numbers::place(weight.target)) {
                *score += f64::from(weight.value);
            }
        }
    }

    fn finish(&self, scores: &mut [f64], answers: &mut Vec<f64>) {
        let score = scores.first().copied().unwrap_or(0.0);
        match self.ending {
            Ending::Plain(transform) => {
                transform.apply(scores);
                answers.extend_from_slice(scores);
            }
            Ending::Share => answers.extend([1.0 - score, score]),
            Ending::Odds => answers.extend([logistic(-score), logistic(score)]),
            Ending::Sides => answers.extend([-score, score]),
        }
    }
}

fn read_nodes(node: &Node<'_>, width: usize) -> Result<Vec<RawNode>, GraphError> {
    let (mut trees, mut ids) = (node.ints("nodes_treeids"), node.ints("nodes_nodeids"));
    let (mut features, mut values) = (node.ints("nodes_featureids"), node.floats("nodes_values"));
    let (mut firsts, mut seconds) = (node.ints("nodes_truenodeids"), node.ints("nodes_falsenodeids"));
    let mut modes = node.texts("nodes_modes");
    let mut missing = node.ints("nodes_missing_value_tracks_true");
    let tracks_missing = node.attribute("nodes_missing_value_tracks_true").is_some();
    let uneven = || GraphError::broken(node, "has lists of unequal lengths");
    let mut nodes = Vec::new();
    while let Some(tree) = trees.next_int()? {
        let mode = modes.next_bytes()?.ok_or_else(uneven)?;
        let (is_leaf, strictly) = match mode {
            b"LEAF" => (true, false),
            b"BRANCH_LEQ" => (false, false),
            b"BRANCH_LT" => (false, true),
            _ => return Err(GraphError::unsupported(node, "a comparison other than <= and <")),
        };
        let feature = features.next_int()?.ok_or_else(uneven)?;
        let within = usize::try_from(feature).is_ok_and(|feature| feature < width);
        let feature = u32::try_from(feature).ok().filter(|feature| is_leaf || (within && *feature < MISSING_FIRST));
        let mut feature = feature.unwrap_or(if is_leaf { 0 } else { u32::MAX });
        if feature == u32::MAX {
            return Err(GraphError::broken(node, "asks for a column that there is not"));
        }
        if tracks_missing && missing.next_int()?.ok_or_else(uneven)? != 0 {
            feature |= MISSING_FIRST;
        }
        let value = values.next_float()?.ok_or_else(uneven)?;
        nodes.push(RawNode {
            tree,
            id: ids.next_int()?.ok_or_else(uneven)?,
            feature,
            value: if strictly { before(value) } else { value },
            first: firsts.next_int()?.ok_or_else(uneven)?,
            second: seconds.next_int()?.ok_or_else(uneven)?,
            is_leaf,
        });
        if nodes.len() > NODES_MAX {
            return Err(GraphError::too_large("an ensemble has more than 4000000 nodes"));
        }
    }
    Ok(nodes)
}

/// The largest number below: x < y is x <= `before(y)`.
fn before(value: f32) -> f32 {
    if value == f32::NEG_INFINITY { f32::NAN } else { value.next_down() }
}

/// Finds nodes by the ids of the file.
struct Index {
    groups: Vec<Group>,
    by_tree: HashMap<i64, usize>,
}

/// The nodes of one tree.
struct Group {
    start: usize,
    end: usize,
    /// Ids with their places, sorted; `None` when ids are 0, 1, ... in order.
    sorted: Option<Vec<(i64, usize)>>,
}

impl Index {
    fn new(node: &Node<'_>, raw: &[RawNode]) -> Result<Self, GraphError> {
        let mut index = Self { groups: Vec::new(), by_tree: HashMap::new() };
        let mut start = 0;
        for group in raw.chunk_by(|one, next| one.tree == next.tree) {
            let end = start + group.len();
            let in_order = group.iter().enumerate().all(|(place, node)| usize::try_from(node.id) == Ok(place));
            let sorted = (!in_order).then(|| {
                let mut ids: Vec<(i64, usize)> = group.iter().enumerate().map(|(place, node)| (node.id, start + place)).collect();
                ids.sort_unstable();
                ids
            });
            let doubled = |ids: &Vec<(i64, usize)>| ids.windows(2).any(|pair| matches!(pair, [one, two] if one.0 == two.0));
            let tree = group.first().map_or(0, |node| node.tree);
            if sorted.as_ref().is_some_and(doubled) || index.by_tree.insert(tree, index.groups.len()).is_some() {
                return Err(GraphError::broken(node, "has two nodes of one number"));
            }
            index.groups.push(Group { start, end, sorted });
            start = end;
        }
        Ok(index)
    }

    fn find(&self, group: &Group, id: i64) -> Option<usize> {
        match &group.sorted {
            None => usize::try_from(id).ok().map(|id| id.saturating_add(group.start)).filter(|place| *place < group.end),
            Some(ids) => {
                let found = ids.binary_search_by_key(&id, |(id, _)| *id).ok()?;
                ids.get(found).map(|(_, place)| *place)
            }
        }
    }

    fn find_in_tree(&self, tree: i64, id: i64) -> Option<usize> {
        self.find(self.groups.get(*self.by_tree.get(&tree)?)?, id)
    }
}

fn read_weights(node: &Node<'_>, index: &Index, targets: usize, names: [&str; 4]) -> Result<Vec<RawWeight>, GraphError> {
    let [trees, ids, to, values] = names;
    let (mut trees, mut ids, mut to, mut values) = (node.ints(trees), node.ints(ids), node.ints(to), node.floats(values));
    let uneven = || GraphError::broken(node, "has lists of unequal lengths");
    let mut weights = Vec::new();
    while let Some(tree) = trees.next_int()? {
        let id = ids.next_int()?.ok_or_else(uneven)?;
        let target = to.next_int()?.ok_or_else(uneven)?;
        let value = values.next_float()?.ok_or_else(uneven)?;
        let target = u32::try_from(target).ok().filter(|target| super::numbers::place(*target) < targets);
        let target = target.ok_or_else(|| GraphError::broken(node, "has a weight for a class that there is not"))?;
        let place = index.find_in_tree(tree, id);
        let place = place.ok_or_else(|| GraphError::broken(node, "has a weight for a node that there is not"))?;
        weights.push(RawWeight { place, weight: Weight { target, value } });
        if weights.len() > WEIGHTS_MAX {
            return Err(GraphError::too_large("an ensemble has more than 64000000 weights"));
        }
    }
    Ok(weights)
}

/// Lays trees out so that every branch leads further on.
struct Layout<'a> {
    raw: &'a [RawNode],
    /// Sorted by place.
    weights: &'a [RawWeight],
    index: &'a Index,
    seen: Vec<bool>,
}

impl Layout<'_> {
    fn add_tree(&mut self, node: &Node<'_>, group: usize, forest: &mut Forest) -> Result<(), GraphError> {
        let Some(group) = self.index.groups.get(group) else { return Ok(()) };
        let no_tree = || GraphError::broken(node, "has nodes that do not form a tree");
        let root = self.root(group).ok_or_else(no_tree)?;
        let before = forest.nodes.len();
        forest.roots.push(count(before)?);
        // Nodes to lay out: the place in the file, the place of the parent of a second branch, and the depth.
        let mut waiting: Vec<(usize, Option<usize>, u64)> = vec![(root, None, 1)];
        let mut deepest = 1;
        while let Some((place, parent, depth)) = waiting.pop() {
            match self.seen.get_mut(place) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(no_tree()),
            }
            let raw = self.raw.get(place).ok_or_else(no_tree)?;
            let here = forest.nodes.len();
            if let Some(parent) = parent.and_then(|parent| forest.nodes.get_mut(parent)) {
                parent.second = count(here)?;
            }
            if raw.is_leaf {
                let leaf = self.leaf(place, forest)?;
                forest.nodes.push(leaf);
                deepest = deepest.max(depth);
                continue;
            }
            forest.nodes.push(TreeNode { feature: raw.feature, value: raw.value, second: 0 });
            let first = self.index.find(group, raw.first).ok_or_else(no_tree)?;
            let second = self.index.find(group, raw.second).ok_or_else(no_tree)?;
            waiting.push((second, Some(here), depth + 1));
            waiting.push((first, None, depth + 1));
        }
        if forest.nodes.len() - before != group.end - group.start {
            return Err(no_tree());
        }
        forest.steps = forest.steps.saturating_add(deepest);
        Ok(())
    }

    /// The node to which no other leads.
    fn root(&self, group: &Group) -> Option<usize> {
        let mut has_parent = vec![false; group.end - group.start];
        for node in self.raw.get(group.start..group.end)?.iter().filter(|node| !node.is_leaf) {
            for id in [node.first, node.second] {
                *has_parent.get_mut(self.index.find(group, id)? - group.start)? = true;
            }
        }
        let mut roots = has_parent.iter().enumerate().filter(|(_, has_parent)| !**has_parent);
        let root = roots.next().map(|(place, _)| group.start + place);
        root.filter(|_| roots.next().is_none())
    }

    fn leaf(&self, place: usize, forest: &mut Forest) -> Result<TreeNode, GraphError> {
        let start = self.weights.partition_point(|weight| weight.place < place);
        let end = self.weights.partition_point(|weight| weight.place <= place);
        let weights = self.weights.get(start..end).unwrap_or_default();
        if let [single] = weights {
            return Ok(TreeNode { feature: LEAF, value: single.weight.value, second: single.weight.target });
        }
        let from = count(forest.weights.len())?;
        forest.weights.extend(weights.iter().map(|weight| weight.weight));
        let second = count(forest.leaves.len())?;
        forest.leaves.push((from, count(forest.weights.len())?));
        forest.steps = forest.steps.saturating_add(u64::try_from(weights.len()).unwrap_or(u64::MAX) / 64);
        Ok(TreeNode { feature: LEAF_OF_MANY, value: 0.0, second })
    }
}

fn count(length: usize) -> Result<u32, GraphError> {
    u32::try_from(length).ok().ok_or_else(|| GraphError::too_large("an ensemble is too large"))
}
