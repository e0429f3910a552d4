//! The macro that turns rows into functions.

/// Defines pointwise functions, one per row, and `FUNCTIONS`, the list of them.
///
/// A row has
/// - the documentation of the public function;
/// - its name and inputs, each with the distributions from which checks draw it, and after a `;` its
///   parameters, each with the values that checks give it (the benchmark takes the first of each);
/// - `value` and the derivative `by` each input, first in Rust, where inputs and parameters have the
///   type `T: Float`, then in CUDA, where they have the type `Acc`. If the CUDA expression of a
///   derivative is `"1"`, the gradient is passed on as it is;
/// - known values to test against: inputs, then the result, for the first parameters;
/// - a Python expression that computes the same with PyTorch, for the first parameters.
///
/// ```
/// use kernels::check::normal;
///
/// kernels::pointwise! {
///     /// `log(1 + exp(sharpness * x)) / sharpness`: a smooth ReLU.
///     softplus(x: [normal(0.0, 2.0)]; sharpness: [1.0, 0.5, 3.0]) {
///         value: (T::ONE + (sharpness * x).exp()).ln() / sharpness
///             => "log(1 + exp(sharpness * x)) / sharpness",
///         by x: T::ONE / (T::ONE + (-sharpness * x).exp()) => "1 / (1 + exp(-sharpness * x))",
///         known: [[0.0, 0.6931471805599453]],
///         peer: "F.softplus(x)",
///     }
/// }
///
/// let x = tensor::Tensor::scalar(0.0).parameter();
/// let y = softplus(&x, 2.0)?;
/// assert_eq!(y.backward()?.get(&x).unwrap().item()?, 0.5);
/// # Ok::<(), tensor::Error>(())
/// ```
#[macro_export]
macro_rules! pointwise {
    ($($(#[$doc:meta])* $name:ident $signature:tt { $($body:tt)* })+) => {
        $($crate::pointwise!(@row $(#[$doc])* $name $signature $signature $($body)*);)+

        /// The functions of this table.
        pub const FUNCTIONS: &[$crate::pointwise::Function] =
            &[$($crate::pointwise::Function::of::<$name, { $name::INPUT_COUNT }>()),+];
    };

    // The signature comes twice: in parts, and as a whole for the text of the kernels.
    (@row
        $(#[$doc:meta])*
        $name:ident
        ($($input:ident: [$($values:expr),+]),+ $(; $($parameter:ident: $settings:tt),+)?)
        $signature:tt
        value: $value:expr => $cuda_value:literal,
        $(by $by:ident: $derivative:expr => $cuda_derivative:tt,)+
        known: [$([$($known:expr),+]),+],
        peer: $peer:literal,
    ) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// When the inputs differ in shape, dtype or device, or their dtype is not floating.
        pub fn $name(
            $($input: &$crate::tensor::Tensor,)+
            $($($parameter: f64),+)?
        ) -> $crate::tensor::Result<$crate::tensor::Tensor> {
            $crate::pointwise::apply($name { $($($parameter),+)? }, [$($input),+])
        }

        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy)]
        struct $name {
            $($($parameter: f64),+)?
        }

        impl $name {
            const INPUT_COUNT: usize = [$(stringify!($input)),+].len();
        }

        const _: () = {
            $crate::tensor::kernel_arguments! {
                struct Arguments<'a> {
                    $($input: $crate::tensor::gpu::In<'a, $crate::tensor::gpu::Real>,)+
                    out: $crate::tensor::gpu::Out<'a, $crate::tensor::gpu::Real>,
                    $($($parameter: f64,)+)?
                    count: usize,
                }
            }

            impl $crate::pointwise::Pointwise<{ $name::INPUT_COUNT }> for $name {
                type Arguments<'a> = Arguments<'a>;

                const NAME: &'static str = stringify!($name);
                const INPUTS: [&'static str; $name::INPUT_COUNT] = [$(stringify!($input)),+];
                const DOMAIN: [&'static [$crate::check::Values]; $name::INPUT_COUNT] =
                    [$(&[$($values),+]),+];
                const KNOWN: &'static [&'static [f64]] = &[$(&[$($known),+]),+];
                const PEER: &'static str = $peer;
                const DERIVATIVES: [&'static str; $name::INPUT_COUNT] = [$($cuda_derivative),+];
                const SOURCES: &'static [$crate::tensor::gpu::Source] =
                    &[$crate::tensor::gpu::Source {
                        path: concat!(file!(), ": ", stringify!($name)),
                        text: concat!(
                            "struct Arguments {\n",
                            $("    const Real* ", stringify!($input), ";\n",)+
                            "    Real* out;\n",
                            $($("    double ", stringify!($parameter), ";\n",)+)?
                            "    long long count;\n};\n",
                            $crate::pointwise!(
                                @kernel concat!(stringify!($name), "_forward"), $signature, $cuda_value
                            ),
                            $($crate::pointwise!(
                                @backward concat!(stringify!($name), "_backward_", stringify!($by)),
                                $signature, $cuda_derivative
                            ),)+
                        ),
                    }];
                const KERNELS: &'static [$crate::tensor::gpu::Kernel] = &[
                    $crate::tensor::gpu::Kernel {
                        name: concat!(stringify!($name), "_forward"),
                        arguments: Arguments::LAYOUT,
                    },
                    $($crate::tensor::gpu::Kernel {
                        name: $crate::pointwise!(@declared $name $by $cuda_derivative),
                        arguments: Arguments::LAYOUT,
                    },)+
                ];
                const FORWARD: &'static str = concat!(stringify!($name), "_forward");
                const BACKWARD: [&'static str; $name::INPUT_COUNT] =
                    [$(concat!(stringify!($name), "_backward_", stringify!($by))),+];

                #[inline(always)]
                #[allow(unused_variables)]
                fn value<T: $crate::tensor::Float>(self, x: [T; $name::INPUT_COUNT]) -> T {
                    let [$($input),+] = x;
                    $($(let $parameter = T::from_f64(self.$parameter);)+)?
                    $value
                }

                #[inline(always)]
                #[allow(unused_variables)]
                fn derivative<T: $crate::tensor::Float>(
                    self,
                    by: usize,
                    x: [T; $name::INPUT_COUNT],
                ) -> T {
                    let [$($input),+] = x;
                    $($(let $parameter = T::from_f64(self.$parameter);)+)?
                    $(if by == const { $crate::pointwise::index_of(stringify!($by), &Self::INPUTS) } {
                        return $derivative;
                    })+
                    unreachable!("{} has no input of index {by}", Self::NAME)
                }

                fn arguments<'a>(
                    self,
                    inputs: [
                        $crate::tensor::gpu::In<'a, $crate::tensor::gpu::Real>;
                        $name::INPUT_COUNT
                    ],
                    out: $crate::tensor::gpu::Out<'a, $crate::tensor::gpu::Real>,
                    count: usize,
                ) -> Arguments<'a> {
                    let [$($input),+] = inputs;
                    Arguments { $($input,)+ out, $($($parameter: self.$parameter,)+)? count }
                }

                fn parameters(self) -> Vec<f64> {
                    vec![$($(self.$parameter),+)?]
                }

                #[allow(unused_variables)]
                fn setting(index: usize) -> Self {
                    $name {
                        $($($parameter: {
                            const SETTINGS: &[f64] = &$settings;
                            SETTINGS[index % SETTINGS.len()]
                        }),+)?
                    }
                }
            }
        };
    };

    // The kernel of a derivative. There is none for a derivative of 1: the list then has the kernel for
    // values once more.
    (@declared $name:ident $by:ident "1") => {
        concat!(stringify!($name), "_forward")
    };
    (@declared $name:ident $by:ident $derivative:tt) => {
        concat!(stringify!($name), "_backward_", stringify!($by))
    };

    // The text of a kernel that multiplies the gradient in `out` by a derivative, unless that is 1.
    (@backward $kernel:expr, $signature:tt, "1") => {
        ""
    };
    (@backward $kernel:expr, $signature:tt, $derivative:tt) => {
        $crate::pointwise!(
            @kernel $kernel, $signature, concat!("to_acc(args.out[i]) * (", $derivative, ")")
        )
    };

    // The text of a kernel with one thread per element.
    (@kernel
        $kernel:expr,
        ($($input:ident: $values:tt),+ $(; $($parameter:ident: $settings:tt),+)?),
        $result:expr
    ) => {
        concat!(
            "extern \"C\" __global__ void ", $kernel, "(__grid_constant__ const Arguments args) {\n",
            "    long long i = thread_index();\n    if (i >= args.count) return;\n",
            $("    Acc ", stringify!($input), " = to_acc(args.", stringify!($input), "[i]);\n",)+
            $($(
                "    Acc ", stringify!($parameter), " = (Acc)args.", stringify!($parameter), ";\n",
            )+)?
            "    args.out[i] = to_real(", $result, ");\n}\n",
        )
    };
}
