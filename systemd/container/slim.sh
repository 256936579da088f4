#!/bin/sh
# Removes from the image what maskd never reads; Containerfile calls it:
#   slim.sh packages ENVIRONMENT    from a Python environment
#   slim.sh system                  from the system that this runs in
set -eu
here=$(dirname "$0")

packages() {
  site=$(echo "$1"/lib/python3.*/site-packages)
  opencv=$site/opencv_python_headless.libs
  # LiteRT's accelerators of other vendors and of WebGPU, which maskd does not load, and its compiler's tools.
  rm -rf "$site"/ai_edge_litert/libLiteRtWebGpuAccelerator.so "$site"/ai_edge_litert/libLiteRt.so \
    "$site"/ai_edge_litert/vendors "$site"/ai_edge_litert/tools
  # Tests, stubs, headers, and numpy's way to Fortran.
  find "$site" -type d -name tests -prune -exec rm -rf {} +
  find "$site" -name '*.pyi' -delete
  rm -rf "$site"/numpy/f2py "$site"/numpy/_core/include "$site"/av/include "$site"/cv2/data
  # What maskd never calls: of PyAV encoders, capture of screens, and work on graphics processors; of OpenCV AVIF, and
  # FFmpeg with what it alone needs, since OpenCV reads V4L2 devices and pictures only.
  "$here"/stub.sh "$site"/av.libs/libx26[45]-*.so* "$site"/av.libs/libSvtAv1Enc-*.so* "$site"/av.libs/libxcb*.so* \
    "$site"/av.libs/libvmaf-*.so* "$site"/av.libs/libasound-*.so* "$site"/av.libs/libdrm-*.so* \
    "$site"/av.libs/libXau-*.so* "$opencv"/libaom-*.so* "$opencv"/libavcodec-*.so* "$opencv"/libavformat-*.so* \
    "$opencv"/libavutil-*.so* "$opencv"/libsw*.so*
  rm -f "$opencv"/libvpx-*.so* "$opencv"/libcrypto-*.so* "$opencv"/libssl-*.so* "$opencv"/libdrm-*.so*
  # OpenCV needs linear algebra for small matrices alone: Debian's plain LAPACK has it in a tenth of the size.
  openblas=$(echo "$opencv"/libopenblas*.so*)
  lapack=$(echo /usr/lib/*/lapack/liblapack.so.3)
  if [ -f "$openblas" ] && [ -f "$lapack" ]; then
    ln -sf "$lapack" "$openblas"
    rm -f "$opencv"/libgfortran-*.so* "$opencv"/libquadmath-*.so*
  fi
  # These modules carry symbols for debuggers. Libraries that auditwheel has changed (*.libs) do not survive strip.
  find "$site"/av "$site"/yaml "$site"/numpy -name '*.so' -exec strip --strip-unneeded {} +
}

system() {
  # apt and what only it, maintainer scripts and logins need.
  dpkg --purge --force-remove-essential --force-remove-protected --force-depends \
    apt libapt-pkg7.0 sqv gpgv debian-archive-keyring debconf perl-base util-linux bsdutils mount login.defs passwd \
    libpam-runtime libpam-modules libpam-modules-bin libpam0g libdb5.3t64 libsystemd0 login bash ncurses-bin sysvinit-utils media-types mawk diffutils \
    > /dev/null 2>&1 || true
  rm -rf /var/lib/apt /var/cache/apt /var/cache/debconf /var/lib/dpkg/info/*.md5sums /var/log/* /usr/share/locale \
    /usr/share/man /usr/share/info /usr/share/lintian /usr/share/bash-completion /usr/lib/*/gconv /usr/lib/*/perl-base
  find /usr/share/doc -type f ! -name copyright -delete
  # Python's own bytecode is kept: the root file system is read-only.
  rm -rf /usr/lib/python3.*/test /usr/lib/python3.*/idlelib /usr/lib/python3.*/turtledemo /usr/lib/python3.*/lib2to3 \
    /usr/lib/python3.*/pydoc_data /usr/lib/python3.*/ensurepip
}

"$@"
