# Every switch of the build, in one place.

option(BUILD_SHARED_LIBS "Build leat as a shared library" ON)
option(LEAT_HTTP "Build leat/http (needs the C sources of llhttp)" ON)
option(LEAT_URING "io_uring beside epoll (needs liburing)" ON)
option(LEAT_TLS "TLS (needs OpenSSL 3)" ON)
option(LEAT_NAMES "Names of hosts, asked for without blocking (needs c-ares)" ON)
option(LEAT_HOST "leat/sys and leat/host: the kernel's receive path (needs libmnl and nlohmann-json)" ON)
option(LEAT_BPF "eBPF programs (needs clang and libbpf); so far only tests use them" ON)
option(LEAT_APPS "Build the leat command" ${PROJECT_IS_TOP_LEVEL})
option(LEAT_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(LEAT_BENCH "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(LEAT_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(LEAT_FUZZ "Build the fuzzers (needs clang++)" OFF)
option(LEAT_WERROR "Treat warnings as errors; meant for Leat's own presets" OFF)
option(LEAT_PCH "Compile leat with a precompiled header (faster; hides missing includes)" OFF)
option(LEAT_UNITY "Compile leat in few large units (faster from nothing; slower after a change)" OFF)
option(LEAT_COVERAGE "Instrument for gcov" OFF)
option(LEAT_HEADER_ONLY_DEPS "Use fmt and spdlog as headers only (cross builds)" OFF)
set(LEAT_SANITIZE "" CACHE STRING "Sanitizer to build with: empty, address or thread")
set_property(CACHE LEAT_SANITIZE PROPERTY STRINGS "" address thread)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Type of build" FORCE)
endif()
set(leat_assertions_default OFF)
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(leat_assertions_default ON)
endif()
option(LEAT_ASSERTIONS "Check preconditions (LEAT_ASSERT)" ${leat_assertions_default})

# A subproject takes the language settings of its parent for everything but its own targets.
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  find_program(LEAT_CCACHE ccache)
  mark_as_advanced(LEAT_CCACHE)
  if(LEAT_CCACHE)
    # Precompiled headers are cached only under these two freedoms.
    set(launcher "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros
                 "${LEAT_CCACHE}")
    set(CMAKE_C_COMPILER_LAUNCHER "${launcher}" CACHE STRING "Compiler launcher")
    set(CMAKE_CXX_COMPILER_LAUNCHER "${launcher}" CACHE STRING "Compiler launcher")
  endif()
endif()

# Sanitizers and coverage must reach every object, so they are set here and not on a target.
if(LEAT_SANITIZE STREQUAL "address")
  # Not vptr: its runtime makes a pipe to look at memory, so it reports correct code as wrong in a
  # test that has used up the descriptors.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(LEAT_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(LEAT_SANITIZE)
  message(FATAL_ERROR "LEAT_SANITIZE is \"${LEAT_SANITIZE}\": use address, thread or nothing")
endif()
if(LEAT_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
if(LEAT_FUZZ)
  # Coverage feedback for the fuzzers; only they link libFuzzer's main.
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
