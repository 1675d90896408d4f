"""A GNU cross compiler as a Bazel toolchain."""

load(
    "@bazel_tools//tools/cpp:cc_toolchain_config_lib.bzl",
    "feature",
    "flag_group",
    "flag_set",
    "tool_path",
)

_COMPILE_ACTIONS = ["c-compile", "c++-compile", "assemble", "preprocess-assemble"]
_LINK_ACTIONS = ["c++-link-executable", "c++-link-dynamic-library", "c++-link-nodeps-dynamic-library"]

def _flags(name, actions, flags):
    return feature(
        name = name,
        enabled = True,
        flag_sets = [flag_set(actions = actions, flag_groups = [flag_group(flags = flags)])],
    )

def _gnu_cross_toolchain_config_impl(ctx):
    triple = ctx.attr.triple
    tools = {
        "ar": "ar",
        "cpp": "cpp",
        "gcc": "gcc",
        "gcov": "gcov",
        "ld": "ld",
        "nm": "nm",
        "objdump": "objdump",
        "strip": "strip",
    }
    return cc_common.create_cc_toolchain_config_info(
        ctx = ctx,
        abi_libc_version = "glibc",
        abi_version = "gcc",
        compiler = "gcc",
        cxx_builtin_include_directories = [
            "/usr/lib/gcc-cross/" + triple,
            "/usr/%s/include" % triple,
        ],
        features = [
            feature(name = "supports_pic", enabled = True),
            _flags("project_compile_flags", _COMPILE_ACTIONS, [
                "-O2",
                "-DNDEBUG",
                "-fno-omit-frame-pointer",
                "-ffunction-sections",
                "-fdata-sections",
            ]),
            _flags("project_link_flags", _LINK_ACTIONS, ["-lstdc++", "-lm"]),
        ],
        host_system_name = "local",
        target_cpu = ctx.attr.cpu,
        target_libc = "glibc",
        target_system_name = triple,
        tool_paths = [
            tool_path(name = name, path = "/usr/bin/%s-%s" % (triple, tool))
            for name, tool in tools.items()
        ],
        toolchain_identifier = triple,
    )

gnu_cross_toolchain_config = rule(
    implementation = _gnu_cross_toolchain_config_impl,
    attrs = {
        "cpu": attr.string(mandatory = True),
        "triple": attr.string(mandatory = True),
    },
    provides = [CcToolchainConfigInfo],
)
