//! Tensors by name: removes what training scripts wrap around a state dict.

use super::value::{Object, Pickle, PickledTensor, Value};

/// Keys under which training scripts store a state dict beside other objects.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Prefixes that data-parallel training and `torch.compile` add to every name.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// The deepest nesting of dicts.
const DEEPEST: usize = 16;
/// Entries of all dicts together; a dict counts each time it is visited.
const MOST_ENTRIES: usize = 100_000;
/// The longest name, in bytes.
const LONGEST: usize = 500;

type Dict<'a> = [(Value<'a>, Value<'a>)];

/// The tensors of the state dict that a pickle holds, with nested names joined by dots.
pub fn tensors<'p, 'a>(
    pickle: &'p Pickle<'a>,
) -> Result<Vec<(String, &'p PickledTensor<'a>)>, String> {
    let Some(Object::Dict(dict)) = pickle.object(pickle.root) else {
        let what = "holds no state dict; save one: torch.save(model.state_dict(), \"weights.pt\")";
        return Err(what.into());
    };
    let mut dict = dict.as_slice();
    for _ in 0..DEEPEST {
        match WRAPPERS.iter().find_map(|wrapper| inner(pickle, dict, wrapper)) {
            Some(wrapped) => dict = wrapped,
            None => break,
        }
    }
    let mut walk = NameWalk { pickle, found: Vec::new(), entries: 0 };
    walk.enter(dict, "", 0)?;
    let mut found = walk.found;
    while let Some(prefix) = PREFIXES.iter().find(|prefix| all_begin_with(&found, prefix)) {
        found.iter_mut().for_each(|(name, _)| drop(name.drain(..prefix.len())));
    }
    if found.is_empty() {
        let what = "holds no tensors by name; save them: torch.save(model.state_dict(), \
                    \"weights.pt\")";
        return Err(what.into());
    }
    Ok(found)
}

fn inner<'p, 'a>(pickle: &'p Pickle<'a>, dict: &Dict<'a>, key: &str) -> Option<&'p Dict<'a>> {
    let &(_, value) = dict.iter().find(|(k, _)| matches!(k, Value::Text(text) if *text == key))?;
    match pickle.object(value) {
        Some(Object::Dict(inner)) => Some(inner),
        _ => None,
    }
}

fn all_begin_with(found: &[(String, &PickledTensor<'_>)], prefix: &str) -> bool {
    !found.is_empty() && found.iter().all(|(name, _)| name.starts_with(prefix))
}

struct NameWalk<'p, 'a> {
    pickle: &'p Pickle<'a>,
    found: Vec<(String, &'p PickledTensor<'a>)>,
    entries: usize,
}

impl<'p, 'a> NameWalk<'p, 'a> {
    /// Collects the tensors of a dict and of the dicts in it; ignores everything else.
    fn enter(&mut self, dict: &'p Dict<'a>, path: &str, depth: usize) -> Result<(), String> {
        for &(key, value) in dict {
            self.entries += 1;
            if self.entries > MOST_ENTRIES || depth > DEEPEST {
                return Err(format!(
                    "its dicts are nested more than {DEEPEST} deep or have more than \
                     {MOST_ENTRIES} entries; save the weights alone: \
                     torch.save(model.state_dict(), \"weights.pt\")"
                ));
            }
            let (Value::Text(key), Some(object)) = (key, self.pickle.object(value)) else {
                continue;
            };
            if path.len() + key.len() > LONGEST {
                return Err(format!("has names of more than {LONGEST} characters"));
            }
            let name = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            match object {
                Object::Tensor(tensor) => self.found.push((name, tensor)),
                Object::Dict(inner) => self.enter(inner, &name, depth + 1)?,
                Object::Tuple(_) | Object::Storage(_) => {}
            }
        }
        Ok(())
    }
}
