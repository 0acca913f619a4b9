# llhttp from its C sources, as Debian's node-llhttp installs them.
# Gives Llhttp_FOUND and the target leat_llhttp: objects to be taken into leat, and the header for
# leat's own sources only.

find_path(LLHTTP_SOURCE_DIR NAMES llhttp.c PATH_SUFFIXES share/llhttp)
find_path(LLHTTP_INCLUDE_DIR NAMES llhttp.h PATH_SUFFIXES share/include/llhttp include/llhttp)
mark_as_advanced(LLHTTP_SOURCE_DIR LLHTTP_INCLUDE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Llhttp REQUIRED_VARS LLHTTP_SOURCE_DIR LLHTTP_INCLUDE_DIR)

if(Llhttp_FOUND AND NOT TARGET leat_llhttp)
  add_library(leat_llhttp OBJECT ${LLHTTP_SOURCE_DIR}/api.c ${LLHTTP_SOURCE_DIR}/http.c
                                 ${LLHTTP_SOURCE_DIR}/llhttp.c)
  target_include_directories(leat_llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE_DIR})
  # Foreign code: its warnings are not ours. Its symbols stay inside leat, so that a program which
  # brings its own llhttp does not meet this one.
  target_compile_options(leat_llhttp PRIVATE -w)
  set_target_properties(leat_llhttp PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET
                                                                            hidden)
endif()
