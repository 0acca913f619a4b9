# What our own targets have in common.

# Warnings for Leat's own code; never part of what users link against.
add_library(leat_warnings INTERFACE)
target_compile_options(
  leat_warnings
  INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion>
            $<$<COMPILE_LANGUAGE:CXX>:-Wsign-conversion;-Wold-style-cast;-Wnon-virtual-dtor>
            $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
            $<$<AND:$<BOOL:${LEAT_WERROR}>,$<COMPILE_LANGUAGE:CXX>>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # It sees overlapping copies in std::string's own assignment at -O3 (GCC bug 105651).
  target_compile_options(leat_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()

# C++20 without extensions and the warnings, for a target of this tree.
function(leat_own_target target)
  set_target_properties(${target} PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
                                             CXX_EXTENSIONS OFF)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:leat_warnings>)
endfunction()

# Compiles `size` sources of a target as one.
function(leat_unity_target target size)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${size})
endfunction()

# A part that is linked to but that no public header shows. Whoever links to an installed libleat.a
# needs `installed` as well: a target, which leatConfig.cmake finds, or the name of a library.
function(leat_private_part target installed)
  target_link_libraries(leat PRIVATE $<BUILD_INTERFACE:${target}>)
  if(NOT BUILD_SHARED_LIBS)
    target_link_libraries(leat INTERFACE $<INSTALL_INTERFACE:$<LINK_ONLY:${installed}>>)
  endif()
  if(NOT installed MATCHES "::")
    set_property(TARGET leat APPEND_STRING PROPERTY LEAT_PRIVATE_LIBS " -l${installed}")
  endif()
endfunction()

# The one library. Its sources come from the CMakeLists.txt of each layer.
function(leat_configure_library)
  leat_own_target(leat)
  set_target_properties(leat PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION
                                                                   ${PROJECT_VERSION_MAJOR}
                                        POSITION_INDEPENDENT_CODE ON)
  target_compile_features(leat PUBLIC cxx_std_20)
  target_include_directories(leat PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                         $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(leat PUBLIC fmt::fmt Threads::Threads)
  leat_private_part(spdlog::spdlog spdlog::spdlog)
  if(LEAT_URING)
    leat_private_part(leat_liburing uring)
    target_compile_definitions(leat PRIVATE LEAT_HAS_URING=1)
  endif()
  if(LEAT_NAMES)
    leat_private_part(leat_cares cares)
  endif()
  if(LEAT_HOST)
    leat_private_part(leat_libmnl mnl)
    # Headers only, and none of ours shows them: nothing of it is installed or linked.
    target_link_libraries(leat PRIVATE $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
  endif()
  if(LEAT_TLS)
    leat_private_part(OpenSSL::SSL ssl)
    leat_private_part(OpenSSL::Crypto crypto)
  endif()
  target_compile_definitions(
    leat PUBLIC $<$<BOOL:${LEAT_ASSERTIONS}>:$<BUILD_INTERFACE:LEAT_ASSERTIONS=1>>)
  # Nobody replaces single functions of leat at load time; this lets the compiler inline them.
  target_compile_options(leat PRIVATE -fno-semantic-interposition)
  # And its calls of itself go straight instead of through the table for functions of others.
  target_link_options(leat PRIVATE -Wl,-Bsymbolic-functions)
  if(LEAT_PCH)
    target_precompile_headers(
      leat PRIVATE <fmt/format.h> <algorithm> <array> <atomic> <chrono> <compare> <cstdint>
      <functional> <memory> <mutex> <optional> <span> <string> <string_view> <system_error> <thread>
      <utility> <variant> <vector>)
  endif()
  if(LEAT_UNITY)
    leat_unity_target(leat 12)
  endif()
  if(LEAT_HTTP)
    target_sources(leat PRIVATE $<TARGET_OBJECTS:leat_llhttp>)
    target_include_directories(
      leat SYSTEM PRIVATE $<TARGET_PROPERTY:leat_llhttp,INTERFACE_INCLUDE_DIRECTORIES>)
  endif()
endfunction()
