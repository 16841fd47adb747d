"""Declarations of tls_cipher.pyx: what other native units may touch."""
from treadle._native.cipher cimport Cipher, Window, iovec
from treadle._native.tcp cimport Stream
from treadle._native.tls_records cimport RecordWalk


cdef class TLSCipher(Cipher):
    cdef readonly object tls        # the ssl.SSLObject; None once the stream is closed
    cdef object facts               # what its owner has found out about the connection, and keeps here; None: nothing yet
    cdef object incoming            # its MemoryBIOs
    cdef object outgoing
    cdef object feed                # write() of `incoming`, read() of `outgoing`
    cdef object drain
    cdef object decrypt             # read() and write() of `tls`
    cdef object encrypt
    cdef Window window
    cdef RecordWalk walk            # of what comes behind the handshake
    cdef bytes records              # what the socket has not taken; None: nothing, and then `outgoing` is empty, too
    cdef Py_ssize_t records_offset
    cdef Py_ssize_t plain_bytes     # what was written to the stream, and is within `records`
    cdef Py_ssize_t plain_told      # of them, what the stream was told has gone
    cdef bytes held                 # plaintext that came with the handshake while nobody read; None: none
    cdef object input_error         # what ends the input behind `held`, likewise; None: the peer's goodbye
    cdef object output_error        # what give_out() has failed with; or None
    cdef Stream resuming            # the pending phase goes on with it
    cdef readonly bint is_shaking   # hands are not shaken yet
    cdef bint is_begun              # something has come
    cdef unsigned char first_byte   # of what has come
    cdef bint is_choked             # so much waits in `outgoing` that no more is read, which would be answered
    cdef bint is_input_over         # the input has ended, which the stream was not told yet
    cdef readonly bint has_peer_said_goodbye
    cdef bint is_goodbye_said       # by us; set once all else is sent

    cdef bint has_part(self) except -1      # of a record, which is not whole yet
    cdef int put_in(self, const char *data, Py_ssize_t size) except -1
    cdef int go_on_shaking(self, Stream stream) except -1
    cdef int take_records(self, Stream stream, const char *data, Py_ssize_t size) except -1
    cdef int come_back(self, Stream stream) except -1
    cdef bint is_plain(self) noexcept
    cdef int shake_hands(self, Stream stream) except -1
    cdef int fail_handshake(self, Stream stream, error) except -1
    cdef int hand_over(self, Stream stream, char *data, Py_ssize_t size) except -1
    cdef int end_input(self, Stream stream) except -1
    cdef Py_ssize_t decrypt_record(self, char *buffer, Py_ssize_t room) except -1
    cdef int socket_ended(self, Stream stream) except -1
    cdef Py_ssize_t send_records(self, Stream stream) except -2
    cdef int send_own(self, Stream stream) except -1
    cdef int encrypt_piece(self, const char *data, Py_ssize_t size, list drained) except -1
    cdef Py_ssize_t encrypt_some(self, iovec *pieces, Py_ssize_t count, Py_ssize_t skipped) except -1
    cdef int say_goodbye(self, Stream stream) except -1
