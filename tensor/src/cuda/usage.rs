//! Hardware resources of kernels, parsed from the assembler's log.

/// Hardware resources of a kernel or function, as reported by `ptxas -v`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelUsage {
    /// Name of the kernel, or mangled name of a function that was not inlined.
    pub name: String,
    /// Registers per thread; 0 for a function, whose registers count for its callers.
    pub registers: usize,
    /// Bytes of register spill stores per thread.
    pub spill_stores: usize,
    /// Bytes of register spill loads per thread.
    pub spill_loads: usize,
    /// Bytes of stack per thread: spills, and arrays that are indexed at run time.
    pub stack: usize,
    /// Bytes of static shared memory per block.
    pub shared: usize,
    /// Bytes of constant memory, including arguments.
    pub constant: usize,
    /// Whether the assembler serialised `wgmma.mma_async` instructions (warnings such as C7510), which
    /// costs much of their speed.
    pub serialised: bool,
}

impl KernelUsage {
    /// Parses a log: one entry for each kernel and for each function that was not inlined, which can
    /// spill too.
    pub fn from_log(log: &str) -> Vec<KernelUsage> {
        let mut all: Vec<KernelUsage> = Vec::new();
        for line in log.lines().filter_map(ptxas_message) {
            if let Some(name) = line.strip_prefix("Function properties for ") {
                all.push(KernelUsage { name: name.trim().to_owned(), ..KernelUsage::default() });
            } else if let Some(last) = all.last_mut() {
                last.parse_line(line);
            }
        }
        // The warning precedes the lines of its kernel.
        for line in
            log.lines().filter(|line| line.contains("wgmma.mma_async instructions are serialized"))
        {
            for usage in all.iter_mut().filter(|u| line.contains(&format!("'{}'", u.name))) {
                usage.serialised = true;
            }
        }
        all
    }

    /// Parses a line such as `Used 32 registers, used 1 barriers, 4000 bytes smem`.
    fn parse_line(&mut self, line: &str) {
        for part in line.split(',') {
            let part = part.trim().trim_start_matches("Used ");
            let Some((number, what)) = part.split_once(' ') else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match what {
                "registers" => self.registers = number,
                "bytes stack frame" => self.stack = number,
                "bytes spill stores" => self.spill_stores = number,
                "bytes spill loads" => self.spill_loads = number,
                "bytes smem" => self.shared = number,
                _ if what.starts_with("bytes cmem") => self.constant += number,
                _ => {}
            }
        }
    }

    /// Whether registers are spilled to memory.
    pub fn spills(&self) -> bool {
        self.spill_stores + self.spill_loads > 0
    }
}

/// The message in a line of the assembler: `ptxas info    : ...` or `ptxas         .     ...`.
fn ptxas_message(line: &str) -> Option<&str> {
    let (_, message) = line.strip_prefix("ptxas")?.split_once([':', '.'])?;
    Some(message.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of NVRTC 13.0 for a kernel with a table in constant memory, one that spills, and a
    /// function.
    const AMPERE: &str = "\
ptxas info    : 0 bytes gmem, 40 bytes cmem[3]
ptxas info    : Compiling entry function 'tabled' for 'sm_80'
ptxas info    : Function properties for tabled
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers, 368 bytes cmem[0], 40 bytes cmem[2]
ptxas info    : Compile time = 1.350 ms
ptxas info    : Compiling entry function 'heavy' for 'sm_80'
ptxas info    : Function properties for heavy
ptxas         .     432 bytes stack frame, 728 bytes spill stores, 776 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 432 bytes cumulative stack size, 4000 bytes smem, 376 bytes cmem[0]
ptxas info    : Compile time = 43.147 ms
ptxas info    : Function properties for _Z1ffi
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
";

    /// Output for a Hopper kernel that reads its accumulators too early, and for another kernel.
    const HOPPER: &str = "\
ptxas info    : (C7519) warpgroup.arrive is injected in around line 216 by compiler to allow use of registers in GMMA in function 'product'
ptxas info    : (C7511) Potential Performance Loss: wgmma.mma_async instructions are serialized due to insufficient register resources for the wgmma pipeline in the function 'product'
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'product' for 'sm_90a'
ptxas info    : Function properties for product
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 58 registers, used 1 barriers, 1024 bytes smem
ptxas info    : Compile time = 37.504 ms
ptxas info    : Compiling entry function 'product_of_two' for 'sm_90a'
ptxas info    : Function properties for product_of_two
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers
";

    #[test]
    fn resources_are_parsed_per_kernel() {
        let usage = KernelUsage::from_log(AMPERE);
        let names: Vec<&str> = usage.iter().map(|u| u.name.as_str()).collect();
        assert_eq!(names, ["tabled", "heavy", "_Z1ffi"]);
        assert_eq!((usage[0].registers, usage[0].constant, usage[0].shared), (8, 408, 0));
        assert!(!usage[0].spills() && usage[1].spills() && !usage[2].spills());
        let heavy = KernelUsage {
            name: "heavy".into(),
            registers: 32,
            spill_stores: 728,
            spill_loads: 776,
            stack: 432,
            shared: 4000,
            constant: 376,
            serialised: false,
        };
        assert_eq!(usage[1], heavy);
    }

    #[test]
    fn serialised_wgmma_instructions_are_detected() {
        let usage = KernelUsage::from_log(HOPPER);
        assert_eq!(usage.len(), 2);
        assert!(usage[0].serialised && usage[0].shared == 1024);
        assert!(!usage[1].serialised, "another kernel of the same file");
    }

    #[test]
    fn a_log_without_kernels_has_no_entries() {
        assert!(KernelUsage::from_log("").is_empty());
        assert!(
            KernelUsage::from_log("tensor/src/gpu/sum.cu(4): error: no\nptxas fatal").is_empty()
        );
    }
}
