//! What a published configuration is for.

use crate::Method;

/// What a published document configures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Supervised,
    SimClr,
    Pcl,
    Dino,
    Mim,
}

impl Kind {
    pub(super) fn of_method(method: Method) -> Option<Kind> {
        Some(match method {
            Method::Scratch => return None,
            Method::SimClr => Kind::SimClr,
            Method::Pcl => Kind::Pcl,
            Method::Dino => Kind::Dino,
            Method::Mim => Kind::Mim,
        })
    }

    pub(super) fn method(self) -> Option<Method> {
        Method::ALL.into_iter().find(|&method| Kind::of_method(method) == Some(self))
    }

    /// The part of the settings that is this stage's.
    pub(super) fn stage(self) -> &'static str {
        if self == Kind::Supervised { "finetune" } else { "pretrain" }
    }

    pub(super) fn name(self) -> &'static str {
        self.method().map_or("supervised training", Method::name)
    }
}
