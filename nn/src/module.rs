//! Modules: networks and their parts, which list their named state.

use tensor::{Device, Result};

use crate::state::{Buffer, Counter, Parameter, StateMut, StateRef};

/// A network or a part of one.
///
/// Structs implement it by naming their fields: see [`module!`](crate::module).
pub trait Module {
    /// Appends all parameters, buffers and counters, in a fixed order.
    fn list_state<'a>(&'a self, list: &mut StateList<StateRef<'a>>);

    /// The same as [`list_state`](Self::list_state), to be changed.
    fn list_state_mut<'a>(&'a mut self, list: &mut StateList<StateMut<'a>>);

    /// All parameters, buffers and counters, each under its PyTorch name.
    fn state(&self) -> Vec<(String, StateRef<'_>)> {
        let mut list = StateList::default();
        self.list_state(&mut list);
        list.entries
    }

    /// The same as [`state`](Self::state), to be changed.
    fn state_mut(&mut self) -> Vec<(String, StateMut<'_>)> {
        let mut list = StateList::default();
        self.list_state_mut(&mut list);
        list.entries
    }

    /// Parameters by name.
    fn named_parameters(&self) -> Vec<(String, &Parameter)> {
        let parameters = self.state().into_iter().filter_map(|(name, state)| match state {
            StateRef::Parameter(parameter) => Some((name, parameter)),
            _ => None,
        });
        parameters.collect()
    }

    /// Parameters by name, to be changed.
    fn named_parameters_mut(&mut self) -> Vec<(String, &mut Parameter)> {
        let parameters = self.state_mut().into_iter().filter_map(|(name, state)| match state {
            StateMut::Parameter(parameter) => Some((name, parameter)),
            _ => None,
        });
        parameters.collect()
    }

    /// Parameters.
    fn parameters(&self) -> Vec<&Parameter> {
        self.named_parameters().into_iter().map(|(_, parameter)| parameter).collect()
    }

    /// Buffers.
    fn buffers(&self) -> Vec<&Buffer> {
        let buffers = self.state().into_iter().filter_map(|(_, state)| match state {
            StateRef::Buffer(buffer) => Some(buffer),
            _ => None,
        });
        buffers.collect()
    }

    /// Handles to the counters.
    fn counters(&self) -> Vec<Counter> {
        let counters = self.state().into_iter().filter_map(|(_, state)| match state {
            StateRef::Counter(counter) => Some(counter.clone()),
            _ => None,
        });
        counters.collect()
    }

    /// Number of trainable values.
    fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|parameter| parameter.tensor().shape().elements()).sum()
    }

    /// The device of its parameters; the CPU if it has none.
    fn device(&self) -> Device {
        self.parameters().first().map_or(Device::Cpu, |parameter| parameter.tensor().device())
    }

    /// Moves every parameter and buffer to a device.
    ///
    /// # Errors
    /// When the device has no memory left, or fails. Part of the state may then have moved.
    fn move_to(&mut self, device: &Device) -> Result<()> {
        for (_, state) in self.state_mut() {
            match state {
                StateMut::Parameter(parameter) => parameter.move_to(device)?,
                StateMut::Buffer(buffer) => buffer.move_to(device)?,
                StateMut::Counter(_) => {}
            }
        }
        Ok(())
    }

    /// Freezes the parameters whose names `which` accepts, and lets the others train.
    ///
    /// # Errors
    /// When a parameter is shared and there is no memory for a copy of it.
    fn freeze(&mut self, which: &dyn Fn(&str) -> bool) -> Result<()> {
        let mut parameters = self.named_parameters_mut().into_iter();
        parameters.try_for_each(|(name, parameter)| parameter.freeze(which(&name)))
    }
}

/// The state of a module as it is being listed: entries by name, and the path of the module that is
/// listing.
#[derive(Debug)]
pub struct StateList<T> {
    path: String,
    entries: Vec<(String, T)>,
}

impl<T> Default for StateList<T> {
    fn default() -> Self {
        StateList { path: String::new(), entries: Vec::new() }
    }
}

impl<T> StateList<T> {
    /// Appends an entry named `name` below the current path; an empty name is the path itself.
    pub fn push(&mut self, name: &str, entry: T) {
        self.within(name, |list| list.entries.push((list.path.clone(), entry)));
    }

    /// Appends what `part` lists, below `name`. An empty name adds nothing to the path.
    pub fn within(&mut self, name: &str, part: impl FnOnce(&mut Self)) {
        let outer = self.path.len();
        if !(name.is_empty() || self.path.is_empty()) {
            self.path.push('.');
        }
        self.path.push_str(name);
        part(self);
        self.path.truncate(outer);
    }
}

/// Implements [`Module`] for a struct from the list of its fields, each of which is a parameter, a
/// buffer, a counter or another module; vectors and options of modules are modules too.
///
/// A field's name is its name in PyTorch's files, unless another one is given with `as`. The empty
/// name lists the state of the field as the struct's own.
///
/// ```
/// use nn::{Init, Linear, Module};
/// use tensor::DType;
///
/// struct Network {
///     layers: Vec<Linear>,
///     output: Option<Linear>,
/// }
///
/// nn::module!(Network { layers, output as "head" });
///
/// let mut init = Init::new(0, 0, DType::F32);
/// let mut linear = || Linear::new(&mut init, 2, 3);
/// let network = Network { layers: vec![linear()?, linear()?], output: Some(linear()?) };
/// let names: Vec<_> = network.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names[2..], ["layers.1.weight", "layers.1.bias", "head.weight", "head.bias"]);
/// assert_eq!(network.parameter_count(), 3 * (2 * 3 + 3));
/// # Ok::<(), tensor::Error>(())
/// ```
#[macro_export]
macro_rules! module {
    ($module:ty { $($field:ident $(as $name:literal)?),+ $(,)? }) => {
        impl $crate::Module for $module {
            fn list_state<'a>(&'a self, list: &mut $crate::StateList<$crate::StateRef<'a>>) {
                $(
                    let name = $crate::module!(@name $field $($name)?);
                    list.within(name, |list| $crate::Module::list_state(&self.$field, list));
                )+
            }

            fn list_state_mut<'a>(
                &'a mut self,
                list: &mut $crate::StateList<$crate::StateMut<'a>>,
            ) {
                $(
                    let name = $crate::module!(@name $field $($name)?);
                    list.within(name, |list| $crate::Module::list_state_mut(&mut self.$field, list));
                )+
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
}

impl Module for Parameter {
    fn list_state<'a>(&'a self, list: &mut StateList<StateRef<'a>>) {
        list.push("", StateRef::Parameter(self));
    }

    fn list_state_mut<'a>(&'a mut self, list: &mut StateList<StateMut<'a>>) {
        list.push("", self.into());
    }
}

impl Module for Buffer {
    fn list_state<'a>(&'a self, list: &mut StateList<StateRef<'a>>) {
        list.push("", StateRef::Buffer(self));
    }

    fn list_state_mut<'a>(&'a mut self, list: &mut StateList<StateMut<'a>>) {
        list.push("", self.into());
    }
}

impl Module for Counter {
    fn list_state<'a>(&'a self, list: &mut StateList<StateRef<'a>>) {
        list.push("", StateRef::Counter(self));
    }

    fn list_state_mut<'a>(&'a mut self, list: &mut StateList<StateMut<'a>>) {
        list.push("", StateMut::Counter(self));
    }
}

/// Modules by index.
impl<M: Module> Module for [M] {
    fn list_state<'a>(&'a self, list: &mut StateList<StateRef<'a>>) {
        for (index, module) in self.iter().enumerate() {
            list.within(&index.to_string(), |list| module.list_state(list));
        }
    }

    fn list_state_mut<'a>(&'a mut self, list: &mut StateList<StateMut<'a>>) {
        for (index, module) in self.iter_mut().enumerate() {
            list.within(&index.to_string(), |list| module.list_state_mut(list));
        }
    }
}

impl<M: Module> Module for Vec<M> {
    fn list_state<'a>(&'a self, list: &mut StateList<StateRef<'a>>) {
        self.as_slice().list_state(list);
    }

    fn list_state_mut<'a>(&'a mut self, list: &mut StateList<StateMut<'a>>) {
        self.as_mut_slice().list_state_mut(list);
    }
}

impl<M: Module> Module for Option<M> {
    fn list_state<'a>(&'a self, list: &mut StateList<StateRef<'a>>) {
        if let Some(module) = self {
            module.list_state(list);
        }
    }

    fn list_state_mut<'a>(&'a mut self, list: &mut StateList<StateMut<'a>>) {
        if let Some(module) = self {
            module.list_state_mut(list);
        }
    }
}

/// The part of a module's state whose names `keep` accepts.
pub struct NameFilter<'m> {
    /// The whole module.
    pub module: &'m mut dyn Module,
    /// Whether a name belongs to the part.
    pub keep: &'m dyn Fn(&str) -> bool,
}

impl Module for NameFilter<'_> {
    fn list_state<'a>(&'a self, list: &mut StateList<StateRef<'a>>) {
        for (name, state) in self.module.state() {
            if (self.keep)(&name) {
                list.push(&name, state);
            }
        }
    }

    fn list_state_mut<'a>(&'a mut self, list: &mut StateList<StateMut<'a>>) {
        for (name, state) in self.module.state_mut() {
            if (self.keep)(&name) {
                list.push(&name, state);
            }
        }
    }
}
