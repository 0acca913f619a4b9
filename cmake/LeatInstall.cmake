# cmake --install, find_package(leat), pkg-config and the Debian packages.
# Debian's split is the components': libleat0 (the library), libleat-dev (to build with it), leat.
include(CMakePackageConfigHelpers)

set(leat_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/leat)
set(leat_runtime libleat${PROJECT_VERSION_MAJOR})

install(
  TARGETS leat
  EXPORT leat-targets
  LIBRARY COMPONENT ${leat_runtime} NAMELINK_COMPONENT libleat-dev
  ARCHIVE COMPONENT libleat-dev
  RUNTIME COMPONENT ${leat_runtime})
install(EXPORT leat-targets NAMESPACE leat:: DESTINATION ${leat_cmake_dir} COMPONENT libleat-dev)

# Public headers, and of the internal ones only those that a public header includes.
function(leat_installed_headers out)
  file(GLOB_RECURSE queue RELATIVE "${PROJECT_SOURCE_DIR}" CONFIGURE_DEPENDS
       "${PROJECT_SOURCE_DIR}/leat/*.h")
  list(FILTER queue EXCLUDE REGEX "/internal/")
  if(NOT LEAT_HTTP)
    list(FILTER queue EXCLUDE REGEX "^leat/http/")
  endif()
  if(NOT LEAT_HOST)
    list(FILTER queue EXCLUDE REGEX "^leat/(sys|host)/")
  endif()
  set(found ${queue})
  while(queue)
    list(POP_FRONT queue header)
    # What a header includes may change without a new file: look again then.
    set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
                                                                   "${header}")
    file(STRINGS "${PROJECT_SOURCE_DIR}/${header}" lines REGEX "^#include \"leat/.*/internal/")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^#include \"([^\"]+)\".*" "\\1" included "${line}")
      if(NOT included IN_LIST found)
        list(APPEND found "${included}")
        list(APPEND queue "${included}")
      endif()
    endforeach()
  endwhile()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# The command finds the library wherever both were installed to.
if(TARGET leat_cli)
  cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY "${CMAKE_INSTALL_FULL_BINDIR}"
             OUTPUT_VARIABLE leat_bin_to_lib)
  set_target_properties(leat_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${leat_bin_to_lib}")
endif()

leat_installed_headers(leat_headers)
foreach(header IN LISTS leat_headers)
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/${folder} COMPONENT libleat-dev)
endforeach()

configure_package_config_file(packaging/leatConfig.cmake.in ${PROJECT_BINARY_DIR}/leatConfig.cmake
                              INSTALL_DESTINATION ${leat_cmake_dir})
# Before 1.0 a minor version may break users; the soname says the same.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/leatConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/leatConfig.cmake ${PROJECT_BINARY_DIR}/leatConfigVersion.cmake
        DESTINATION ${leat_cmake_dir} COMPONENT libleat-dev)

get_target_property(leat_private_libs leat LEAT_PRIVATE_LIBS)
configure_file(packaging/leat.pc.in leat.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/leat.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT libleat-dev)

if(PROJECT_IS_TOP_LEVEL)
  include(packaging/debian.cmake)
endif()
