# SPDX-License-Identifier: BSD-3-Clause
"""A network in a box for the gateway: namespaces, a phone with its own kernel, a P-CSCF, an S-CSCF.

deploy/demo and the end-to-end tests are written with it. The pieces, each usable without the others:

    netns      the four namespaces and the links between them
    gateway    bgf-dataplane and bgf-control in them, and bgfctl
    phone      a User-mode Linux guest whose kernel has ESP, and the IMS UEs in it
    kamailio   Kamailio as the P-CSCF of deploy/kamailio
    scscf      a small S-CSCF that checks AKAv1-MD5
    capture    tcpdump, and questions to tshark about what it caught
    attack     a hostile UE (Scapy)
    traffic    numbered requests, by which lost ones are known
    stage      all of it together; story and lifecycle are what deploy/demo shows on it
"""
